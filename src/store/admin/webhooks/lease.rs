//! Deliveries that are due, and what became of them.

use chrono::TimeDelta;
use secrecy::SecretString;
use uuid::Uuid;

use crate::domain::{DeliveryId, OrgId, Session, Timestamp, WebhookEvent, WebhookId};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::sessions::RowKey;
use crate::store::{SessionRow, StoreError};

/// A delivery that is this caller's to attempt until its lease runs out.
pub struct Leased {
    pub org: OrgId,
    pub webhook: WebhookId,
    pub delivery: DeliveryId,
    pub url: String,
    pub secret: SecretString,
    pub event: WebhookEvent,
    /// Counted from 1.
    pub attempt: u32,
    pub queued_at: Timestamp,
    /// The session as it stands; `None` where it is gone, or cannot be read.
    pub session: Option<Session>,
    /// When something was last said in it.
    pub last_said_at: Option<Timestamp>,
}

/// What became of an attempt.
pub struct Attempted<'a> {
    pub leased: &'a Leased,
    pub status: Option<u16>,
    /// The word for what went wrong.
    pub error: Option<&'static str>,
    pub next: Next,
}

/// How a delivery goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    DeliveredAt(Timestamp),
    AgainAt(Timestamp),
    FailedAt(Timestamp),
}

impl AdminStore {
    /// Leases what is due at `now`: of `endpoints` endpoints at most, those first whose deliveries have been due
    /// longest, and of each `per_endpoint` at most. Endpoints that are `busy` are left out.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn lease_deliveries(
        &self,
        now: Timestamp,
        lease: TimeDelta,
        busy: &[WebhookId],
        endpoints: usize,
        per_endpoint: usize,
    ) -> Result<Vec<Leased>, AdminError> {
        let busy: Vec<Uuid> = busy.iter().map(|id| id.0).collect();
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut transaction = self.begin_unflushed().await?;
        let rows = sqlx::query!(
            r#"WITH endpoints AS (
                   SELECT w.org_id, w.webhook_id, w.url, w.secret
                     FROM webhooks w
                    CROSS JOIN LATERAL (
                          SELECT d.next_attempt_at
                            FROM webhook_deliveries d
                           WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id AND d.next_attempt_at <= $1
                           ORDER BY d.next_attempt_at
                           LIMIT 1) first
                    WHERE w.webhook_id <> ALL ($3::uuid[])
                    ORDER BY first.next_attempt_at
                    LIMIT $4
               ), due AS (
                   SELECT d.org_id, d.delivery_id, w.url, w.secret
                     FROM endpoints w
                    CROSS JOIN LATERAL (
                          SELECT d.org_id, d.delivery_id
                            FROM webhook_deliveries d
                           WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id AND d.next_attempt_at <= $1
                           ORDER BY d.next_attempt_at
                           LIMIT $5
                             FOR UPDATE SKIP LOCKED) d
               )
               UPDATE webhook_deliveries d
                  SET attempts = d.attempts + 1, next_attempt_at = $2
                 FROM due
                WHERE d.org_id = due.org_id AND d.delivery_id = due.delivery_id
               RETURNING d.org_id, d.webhook_id, d.delivery_id, due.url AS "url!", due.secret AS "secret!", d.event,
                         d.attempts, d.queued_at, d.dialect, d.session_id,
                         (SELECT c.last_at FROM session_counters c
                           WHERE c.org_id = d.org_id AND c.dialect = d.dialect AND c.session_id = d.session_id)
                           AS last_said_at"#,
            now,
            now + lease,
            &busy,
            count(endpoints),
            count(per_endpoint)
        )
        .fetch_all(&mut *transaction)
        .await?;
        let mut keys: Vec<RowKey> =
            rows.iter().map(|row| RowKey::of(row.org_id, row.dialect, row.session_id)).collect();
        keys.sort_unstable();
        keys.dedup();
        let sessions = SessionRow::read(&mut transaction, &keys).await?;
        transaction.commit().await?;

        rows.into_iter()
            .map(|row| {
                let session = sessions.get(&RowKey::of(row.org_id, row.dialect, row.session_id));
                Ok(Leased {
                    org: OrgId(row.org_id),
                    webhook: WebhookId(row.webhook_id),
                    delivery: DeliveryId(row.delivery_id),
                    url: row.url,
                    secret: row.secret.into(),
                    event: row.event.parse().map_err(|_| StoreError::Unreadable(format!("event {}", row.event)))?,
                    attempt: row.attempts.unsigned_abs(),
                    queued_at: row.queued_at,
                    session: session.and_then(|row| Session::try_from(row.clone()).ok()),
                    last_said_at: row.last_said_at,
                })
            })
            .collect()
    }

    /// Writes down what became of an attempt, unless somebody else has delivered it since. A failure counts only while
    /// nobody has leased it again.
    ///
    /// # Errors
    /// When the database cannot be reached. Then it is attempted again once the lease has run out.
    pub async fn record_attempt(&self, attempted: &Attempted<'_>) -> Result<(), AdminError> {
        let (mut delivered, mut again, mut failed) = (None, None, None);
        match attempted.next {
            Next::DeliveredAt(at) => delivered = Some(at),
            Next::AgainAt(at) => again = Some(at),
            Next::FailedAt(at) => failed = Some(at),
        }
        let mut transaction = self.begin_unflushed().await?;
        sqlx::query!(
            "UPDATE webhook_deliveries
                SET delivered_at = $4, next_attempt_at = $5, failed_at = $6, last_status = $7, last_error = $8
              WHERE org_id = $1 AND delivery_id = $2 AND delivered_at IS NULL
                AND (attempts = $3 OR $4::timestamptz IS NOT NULL)",
            attempted.leased.org.0,
            attempted.leased.delivery.0,
            i32::try_from(attempted.leased.attempt).unwrap_or(i32::MAX),
            delivered,
            again,
            failed,
            attempted.status.and_then(|status| i16::try_from(status).ok()),
            attempted.error
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
