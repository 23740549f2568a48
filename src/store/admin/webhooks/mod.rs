//! The webhook endpoints of organizations and their deliveries.
//!
//! An entry of the feed becomes a delivery per endpoint that subscribed to it ([`fan_out`](AdminStore::fan_out)). A
//! delivery is leased to the replica that attempts it ([`lease_deliveries`](AdminStore::lease_deliveries)) until its
//! outcome is stored or the lease runs out. Any number of replicas can do either at once.

mod fan_out;
mod history;
mod lease;

pub use fan_out::Waiting;
pub use history::{Backlog, DeliveryRow};
pub use lease::{Attempted, EndpointChange, LeaseTerms, Leased, Next};

use secrecy::SecretString;
use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::responder::HttpUrl;
use crate::domain::{Action, Mint, OrgId, Timestamp, WebhookEvent, WebhookId};
use crate::store::audit::{self, Entry, WebhookView};
use crate::store::{scope, sealing};

/// Converts a number of rows for `LIMIT`.
fn as_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub struct NewWebhook<'a> {
    pub id: WebhookId,
    pub org: OrgId,
    pub url: &'a HttpUrl,
    /// The secret that deliveries are signed with.
    pub secret: &'a SecretString,
    pub events: &'a [WebhookEvent],
    pub created_at: Timestamp,
}

#[derive(Debug)]
pub struct WebhookRow {
    pub webhook_id: Uuid,
    pub url: String,
    pub events: Vec<String>,
    pub created_at: Timestamp,
    /// Until when deliveries are paused at the endpoint's request.
    pub paused_until: Option<Timestamp>,
    /// Since when nothing is delivered, because the endpoint responded with 410.
    pub disabled_at: Option<Timestamp>,
}

impl AdminStore {
    /// Registers an endpoint. It receives events from now on, including those of transactions that are still open.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn create_webhook(&self, new: &NewWebhook<'_>, mint: &Mint) -> Result<(), AdminError> {
        let events: Vec<String> = new.events.iter().map(WebhookEvent::to_string).collect();
        let mut transaction = scope::begin_system(&self.pool).await?;
        let row = (new.org, new.id.0);
        let secret =
            sealing::stored(&mut transaction, self.sealing.as_ref(), row, new.secret, new.created_at, mint).await?;
        sqlx::query!(
            "INSERT INTO webhooks (org_id, webhook_id, url, secret, events, feed_transaction, feed_place, created_at)
             VALUES ($1, $2, $3, $4, $5, pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1, 2147483647, $6)",
            new.org.0,
            new.id.0,
            new.url.as_url().as_str(),
            secret,
            &events,
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        let entry = Entry::new(new.org, &self.actor, Action::WebhookCreate, format!("webhook/{}", new.id))
            .after(&WebhookView::of(new.url.as_url().as_str(), &events, None, None))?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the endpoints of an organization, oldest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn webhooks(&self, org: OrgId) -> Result<Vec<WebhookRow>, AdminError> {
        Ok(sqlx::query_as!(
            WebhookRow,
            "SELECT webhook_id, url, events, created_at, paused_until, disabled_at
               FROM webhooks WHERE org_id = $1 ORDER BY created_at, webhook_id",
            org.0
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Enables an endpoint that is disabled or paused. An endpoint that was disabled receives events from now on.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such endpoint.
    pub async fn enable_webhook(&self, id: WebhookId) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let before = sqlx::query!(
            "SELECT org_id, url, events, paused_until, disabled_at FROM webhooks WHERE webhook_id = $1 FOR UPDATE",
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(AdminError::NotFound("webhook"))?;
        sqlx::query!(
            "UPDATE webhooks
                SET feed_transaction = CASE WHEN disabled_at IS NULL THEN feed_transaction
                                            ELSE pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 END,
                    feed_place = CASE WHEN disabled_at IS NULL THEN feed_place ELSE 2147483647 END,
                    paused_until = NULL, disabled_at = NULL, disabled_reason = NULL
              WHERE org_id = $1 AND webhook_id = $2",
            before.org_id,
            id.0
        )
        .execute(&mut *transaction)
        .await?;
        if before.paused_until.is_some() || before.disabled_at.is_some() {
            let view =
                |paused_until, disabled_at| WebhookView::of(&before.url, &before.events, paused_until, disabled_at);
            let entry = Entry::new(OrgId(before.org_id), &self.actor, Action::WebhookEnable, format!("webhook/{id}"))
                .before(&view(before.paused_until, before.disabled_at))?
                .after(&view(None, None))?;
            audit::append_as_system(&mut transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes an endpoint with its secret and its deliveries. A delivery that is being sent still arrives.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such endpoint.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let deleted = sqlx::query!(
            "DELETE FROM webhooks WHERE webhook_id = $1 RETURNING org_id, url, events, paused_until, disabled_at",
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(AdminError::NotFound("webhook"))?;
        // No replica can add deliveries now, because adding one needs a lock of the row that was deleted.
        sqlx::query!("DELETE FROM webhook_deliveries WHERE org_id = $1 AND webhook_id = $2", deleted.org_id, id.0)
            .execute(&mut *transaction)
            .await?;
        let view = WebhookView::of(&deleted.url, &deleted.events, deleted.paused_until, deleted.disabled_at);
        let entry = Entry::new(OrgId(deleted.org_id), &self.actor, Action::WebhookDelete, format!("webhook/{id}"))
            .before(&view)?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}
