//! Deliveries as an administrator sees them.

use uuid::Uuid;

use crate::domain::{Action, DeliveryId, OrgId, Timestamp, WebhookId};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::audit::{self, DeliveryView, Entry};
use crate::store::scope;

#[derive(Debug)]
pub struct DeliveryRow {
    pub delivery_id: Uuid,
    pub webhook_id: Uuid,
    pub dialect: i16,
    pub session_id: Uuid,
    pub event: String,
    pub queued_at: Timestamp,
    pub attempts: i32,
    pub next_attempt_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub failed_at: Option<Timestamp>,
    pub last_status: Option<i16>,
    pub last_error: Option<String>,
}

/// Deliveries that are due.
#[derive(Clone, Copy, Debug)]
pub struct Backlog {
    /// How many are due, counted up to a limit.
    pub due: i64,
    /// The earliest due time of those that were counted.
    pub oldest_due: Option<Timestamp>,
}

impl AdminStore {
    /// Counts the deliveries that are due at `now`, up to `limit`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn webhook_backlog(&self, now: Timestamp, limit: i64) -> Result<Backlog, AdminError> {
        let backlogs = self.everywhere(|shard| async move { shard.backlog(now, limit).await }).await?;
        Ok(Backlog {
            due: backlogs.iter().map(|backlog| backlog.due).sum::<i64>().min(limit),
            oldest_due: backlogs.iter().filter_map(|backlog| backlog.oldest_due).min(),
        })
    }

    async fn backlog(&self, now: Timestamp, limit: i64) -> Result<Backlog, AdminError> {
        Ok(sqlx::query_as!(
            Backlog,
            r#"SELECT count(*) AS "due!", min(next_attempt_at) AS oldest_due
                 FROM (SELECT next_attempt_at FROM webhook_deliveries WHERE next_attempt_at <= $1 LIMIT $2) AS due"#,
            now,
            limit
        )
        .fetch_one(self.here().reads())
        .await?)
    }

    /// Returns at most `most` deliveries of an organization, newest first: all, or those that have failed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn deliveries(&self, org: OrgId, failed: bool, limit: i64) -> Result<Vec<DeliveryRow>, AdminError> {
        Ok(sqlx::query_as!(
            DeliveryRow,
            "SELECT delivery_id, webhook_id, dialect, session_id, event, queued_at, attempts, next_attempt_at, delivered_at,
                    failed_at, last_status, last_error
               FROM webhook_deliveries
              WHERE org_id = $1 AND (NOT $2 OR failed_at IS NOT NULL)
              ORDER BY delivery_id DESC
              LIMIT $3",
            org.0,
            failed,
            limit
        )
        .fetch_all(self.pool(org).reads())
        .await?)
    }

    /// Queues a delivery again at `now`, whatever its outcome was. Its id stays the same.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such delivery or it was deleted; [`AdminError::WebhookDisabled`] when
    /// its endpoint is disabled.
    pub async fn resend_delivery(&self, id: DeliveryId, now: Timestamp) -> Result<(), AdminError> {
        self.in_its_shard(|shard| async move { shard.resend_in_shard(id, now).await }).await
    }

    async fn resend_in_shard(&self, id: DeliveryId, now: Timestamp) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        // Joins the endpoints because their organizations come first in every index.
        let queued = sqlx::query!(
            "UPDATE webhook_deliveries d
                SET queued_at = $2, attempts = 0, next_attempt_at = $2, delivered_at = NULL, failed_at = NULL,
                    last_status = NULL, last_error = NULL
               FROM webhooks w
              WHERE d.org_id = w.org_id AND d.delivery_id = $1 AND d.webhook_id = w.webhook_id
                AND w.disabled_at IS NULL
             RETURNING d.org_id, d.webhook_id, d.event",
            id.0,
            now
        )
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(queued) = queued {
            let view = DeliveryView { webhook_id: queued.webhook_id, event: queued.event };
            let entry = Entry::new(OrgId(queued.org_id), &self.actor, Action::WebhookResend, format!("delivery/{id}"))
                .after(&view)?;
            audit::append_as_system(&mut transaction, entry).await?;
            transaction.commit().await?;
            return Ok(());
        }
        let disabled = sqlx::query_scalar!(
            "SELECT w.webhook_id FROM webhooks w
               JOIN webhook_deliveries d ON d.org_id = w.org_id AND d.delivery_id = $1 AND d.webhook_id = w.webhook_id",
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        Err(disabled.map_or(AdminError::NotFound("delivery"), |id| AdminError::WebhookDisabled(WebhookId(id))))
    }

    /// Marks at most `most` deliveries as failed that were queued at `until` or before and are due at `now`, without an
    /// attempt. Returns how many there were.
    ///
    /// Concurrent replicas take different deliveries.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn expire_deliveries(&self, until: Timestamp, now: Timestamp, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let expired = sqlx::query!(
            "UPDATE webhook_deliveries d
                SET next_attempt_at = NULL, failed_at = $2, last_error = 'expired'
               FROM (SELECT org_id, delivery_id FROM webhook_deliveries
                      WHERE queued_at <= $1 AND next_attempt_at <= $2 LIMIT $3 FOR UPDATE SKIP LOCKED) AS old
              WHERE d.org_id = old.org_id AND d.delivery_id = old.delivery_id",
            until,
            now,
            limit
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(expired.rows_affected())
    }

    /// Deletes at most `most` finished deliveries that were queued at `until` or before. Returns how many were deleted.
    ///
    /// Concurrent replicas take different deliveries.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn delete_deliveries(&self, until: Timestamp, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system_unflushed(&self.here()).await?;
        let deleted = sqlx::query!(
            "DELETE FROM webhook_deliveries d
              USING (SELECT org_id, delivery_id FROM webhook_deliveries
                      WHERE queued_at <= $1 AND next_attempt_at IS NULL LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
              WHERE d.org_id = old.org_id AND d.delivery_id = old.delivery_id",
            until,
            limit
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}
