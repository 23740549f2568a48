//! The deliveries of one organization's webhooks.

use uuid::Uuid;

use super::{Webhooks, locked};
use crate::domain::{Action, DeliveryId, DialectName, SessionId, Timestamp, WebhookId};
use crate::store::audit::{self, DeliveryView, Entry};
use crate::store::{StoreError, scope};

/// A delivery of an event to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    /// `None` if a later version wrote it.
    pub dialect: Option<DialectName>,
    pub session: SessionId,
    pub event: String,
    pub queued_at: Timestamp,
    pub attempts: i32,
    pub next_attempt_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub failed_at: Option<Timestamp>,
    pub last_status: Option<i16>,
    pub last_error: Option<String>,
}

/// What became of a request to send a delivery again.
#[must_use]
pub enum DeliveryResent {
    Queued(Box<Delivery>),
    /// There is no such delivery.
    Missing,
    WebhookDisabled,
}

struct DeliveryRow {
    delivery_id: Uuid,
    webhook_id: Uuid,
    dialect: i16,
    session_id: Uuid,
    event: String,
    queued_at: Timestamp,
    attempts: i32,
    next_attempt_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    last_status: Option<i16>,
    last_error: Option<String>,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: DeliveryId(row.delivery_id),
            webhook: WebhookId(row.webhook_id),
            dialect: DialectName::from_code(row.dialect),
            session: SessionId(row.session_id),
            event: row.event,
            queued_at: row.queued_at,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
            delivered_at: row.delivered_at,
            failed_at: row.failed_at,
            last_status: row.last_status,
            last_error: row.last_error,
        }
    }
}

impl Webhooks<'_> {
    /// Returns at most `limit` deliveries of a webhook after the cursor, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn deliveries(
        &self,
        webhook: WebhookId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            DeliveryRow,
            "SELECT delivery_id, webhook_id, dialect, session_id, event, queued_at, attempts, next_attempt_at,
                    delivered_at, failed_at, last_status, last_error
               FROM webhook_deliveries
              WHERE org_id = $1 AND webhook_id = $2 AND delivery_id < $3
              ORDER BY delivery_id DESC
              LIMIT $4",
            self.0.org.0,
            webhook.0,
            after.unwrap_or(Uuid::max()),
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().map(Delivery::from).collect())
    }

    /// Queues a delivery again at `now`, whatever its outcome was. Its id stays the same.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn resend(&self, id: DeliveryId, now: Timestamp) -> Result<DeliveryResent, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let webhook = sqlx::query_scalar!(
            "SELECT webhook_id FROM webhook_deliveries WHERE org_id = $1 AND delivery_id = $2",
            org.0,
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        // The endpoint is locked before its delivery, in the order of the workers.
        let Some(webhook) = webhook else { return Ok(DeliveryResent::Missing) };
        let Some(webhook) = locked(&mut transaction, org, WebhookId(webhook)).await? else {
            return Ok(DeliveryResent::Missing);
        };
        if webhook.state != super::WebhookState::Enabled {
            return Ok(DeliveryResent::WebhookDisabled);
        }
        let queued = sqlx::query_as!(
            DeliveryRow,
            "UPDATE webhook_deliveries
                SET queued_at = $3, attempts = 0, next_attempt_at = $3, delivered_at = NULL, failed_at = NULL,
                    last_status = NULL, last_error = NULL
              WHERE org_id = $1 AND delivery_id = $2
             RETURNING delivery_id, webhook_id, dialect, session_id, event, queued_at, attempts, next_attempt_at,
                       delivered_at, failed_at, last_status, last_error",
            org.0,
            id.0,
            now
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(queued) = queued.map(Delivery::from) else { return Ok(DeliveryResent::Missing) };
        let view = DeliveryView { webhook_id: queued.webhook.0, event: queued.event.clone() };
        let entry = Entry::new(org, self.0.actor(), Action::WebhookResend, format!("delivery/{id}")).after(&view)?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(DeliveryResent::Queued(Box::new(queued)))
    }
}
