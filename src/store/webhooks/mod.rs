//! The webhooks of one organization, as its callers manage them. The workers deliver to them (`admin/webhooks`).
//!
//! The request role writes secrets and cannot read them.

mod change;
mod create;
mod deliveries;
mod subscribe;

use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

pub use create::{NewEndpoint, WebhookCreated};
pub use deliveries::{Delivery, DeliveryResent};
pub(super) use subscribe::{follow, subscribe};

use super::{StoreError, TenantStore, keyset, scope};
use crate::domain::webhook::Subscription;
use crate::domain::{OrgId, Timestamp, WebhookId};

/// Webhooks of one organization. Concurrent creates may exceed this.
const MAX_WEBHOOKS: i64 = 100;

pub struct Webhooks<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks(self)
    }
}

/// Whether deliveries are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum WebhookState {
    Enabled,
    /// The endpoint responded with 410.
    Gone(Timestamp),
    /// The organization disabled it.
    Disabled(Timestamp),
}

impl WebhookState {
    /// Returns the state by the columns of a row.
    fn of(disabled_at: Option<Timestamp>, reason: Option<&str>) -> Self {
        match (disabled_at, reason) {
            (None, _) => Self::Enabled,
            (Some(at), Some(DISABLED)) => Self::Disabled(at),
            // Releases before the reason was stored disable an endpoint only when it is gone.
            (Some(at), _) => Self::Gone(at),
        }
    }

    fn columns(self) -> (Option<Timestamp>, Option<&'static str>) {
        match self {
            Self::Enabled => (None, None),
            Self::Gone(at) => (Some(at), Some("gone")),
            Self::Disabled(at) => (Some(at), Some(DISABLED)),
        }
    }
}

/// The stored reason of an endpoint that was disabled on request.
const DISABLED: &str = "disabled";

/// An endpoint without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: String,
    pub events: Vec<String>,
    /// The codes of the dialects whose sessions' events it receives.
    pub dialects: Vec<i16>,
    pub state: WebhookState,
    /// Until when deliveries are paused at the endpoint's request.
    pub paused_until: Option<Timestamp>,
    /// Until when deliveries are also signed with the secret before the last rotation.
    pub previous_secret_until: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl Webhook {
    /// Returns what the endpoint receives, or `None` if it is disabled.
    fn subscription(&self) -> Option<Subscription> {
        let is_enabled = self.state == WebhookState::Enabled;
        is_enabled.then(|| Subscription::stored(&self.events, &self.dialects))
    }
}

struct WebhookRow {
    webhook_id: Uuid,
    url: String,
    events: Vec<String>,
    dialects: Vec<i16>,
    created_at: Timestamp,
    paused_until: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    disabled_reason: Option<String>,
    previous_secret_until: Option<Timestamp>,
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: WebhookId(row.webhook_id),
            url: row.url,
            events: row.events,
            dialects: row.dialects,
            state: WebhookState::of(row.disabled_at, row.disabled_reason.as_deref()),
            paused_until: row.paused_until,
            previous_secret_until: row.previous_secret_until,
            created_at: row.created_at,
        }
    }
}

impl Webhooks<'_> {
    /// Returns at most `limit` webhooks after the cursor, newest first. A hundred of them have less than a megabyte.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(&self, after: Option<(Timestamp, Uuid)>, limit: usize) -> Result<Vec<Webhook>, StoreError> {
        let (at, id) = keyset::or_latest(after);
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            WebhookRow,
            "SELECT webhook_id, url, events, dialects, created_at, paused_until, disabled_at, disabled_reason,
                    previous_secret_until
               FROM webhooks
              WHERE org_id = $1 AND (created_at, webhook_id) < ($2, $3)
              ORDER BY created_at DESC, webhook_id DESC
              LIMIT $4",
            self.0.org.0,
            at,
            id,
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().map(Webhook::from).collect())
    }

    /// Returns the webhook with this id.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = sqlx::query_as!(
            WebhookRow,
            "SELECT webhook_id, url, events, dialects, created_at, paused_until, disabled_at, disabled_reason,
                    previous_secret_until
               FROM webhooks WHERE org_id = $1 AND webhook_id = $2",
            self.0.org.0,
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row.map(Webhook::from))
    }
}

/// Returns a webhook and locks it until the transaction ends.
async fn locked(connection: &mut PgConnection, org: OrgId, id: WebhookId) -> Result<Option<Webhook>, sqlx::Error> {
    let row = sqlx::query_as!(
        WebhookRow,
        "SELECT webhook_id, url, events, dialects, created_at, paused_until, disabled_at, disabled_reason,
                previous_secret_until
           FROM webhooks WHERE org_id = $1 AND webhook_id = $2 FOR UPDATE",
        org.0,
        id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Webhook::from))
}
