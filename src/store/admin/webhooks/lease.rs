//! Deliveries that are due, and what became of them.

use chrono::TimeDelta;
use secrecy::SecretString;
use sqlx::PgConnection;
use uuid::Uuid;

use super::as_limit;
use crate::domain::{DeliveryId, OrgId, Session, Timestamp, WebhookEvent, WebhookId};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::sessions::RowKey;
use crate::store::{SessionRow, StoreError, scope};

/// Deliveries that fail with their endpoint in one transaction.
const MAX_FAILED: u64 = 1_000;

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
    /// The session as it stands; `None` where it is gone, an error where it cannot be read.
    pub session: Result<Option<Session>, StoreError>,
    /// When something was last said in it.
    pub last_said_at: Option<Timestamp>,
}

/// Whose deliveries are leased, how many of them, and for how long.
pub struct LeaseTerms<'a> {
    pub lease: TimeDelta,
    /// Endpoints that are left out.
    pub busy: &'a [WebhookId],
    /// Endpoints that answered soon of late.
    pub prompt: &'a [WebhookId],
    /// Endpoints that kept their callers waiting of late.
    pub slow: &'a [WebhookId],
    /// How many endpoints are leased from at most, and how many slow ones among them.
    pub endpoints: usize,
    pub slow_endpoints: usize,
    /// How many deliveries of an endpoint are leased at most, and of a prompt one.
    pub per_endpoint: usize,
    pub per_prompt_endpoint: usize,
}

/// What became of an attempt.
pub struct Attempted<'a> {
    pub leased: &'a Leased,
    pub status: Option<u16>,
    /// The word for what went wrong.
    pub error: Option<&'static str>,
    pub next: Next,
    pub endpoint: EndpointChange,
}

/// What an attempt changes for the other deliveries to its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    None,
    /// Nothing is leased before this time.
    Paused(Timestamp),
    /// Nothing is leased or queued any more, and what waits has failed.
    Disabled(Timestamp),
}

/// How a delivery goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    DeliveredAt(Timestamp),
    AgainAt(Timestamp),
    FailedAt(Timestamp),
}

impl AdminStore {
    /// Leases what is due at `now`: of an endpoint, what has been due longest. Chance decides between endpoints, since
    /// by age those with the longest backlog, which answer nobody, would always win. Nothing of disabled organizations, and
    /// of endpoints that are disabled or paused, is leased, and what this version does not know is left to others.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn lease_deliveries(&self, now: Timestamp, terms: &LeaseTerms<'_>) -> Result<Vec<Leased>, AdminError> {
        let ids = |ids: &[WebhookId]| -> Vec<Uuid> { ids.iter().map(|id| id.0).collect() };
        let (busy, prompt, slow) = (ids(terms.busy), ids(terms.prompt), ids(terms.slow));
        let mut transaction = scope::begin_system_unflushed(&self.pool).await?;
        let rows = sqlx::query!(
            r#"WITH waiting AS (
                   SELECT w.org_id, w.webhook_id, w.url, w.secret, w.webhook_id = ANY ($5::uuid[]) AS slow,
                          row_number() OVER (PARTITION BY w.webhook_id = ANY ($5::uuid[]) ORDER BY random()) AS number
                     FROM webhooks w
                     JOIN organizations o USING (org_id)
                    WHERE o.disabled_at IS NULL AND w.disabled_at IS NULL
                      AND (w.paused_until IS NULL OR w.paused_until <= $1) AND w.webhook_id <> ALL ($3::uuid[])
                      AND EXISTS (SELECT FROM webhook_deliveries d
                                   WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id
                                     AND d.next_attempt_at <= $1)
               ), endpoints AS (
                   SELECT * FROM waiting WHERE NOT slow OR number <= $7 ORDER BY random() LIMIT $6
               ), due AS (
                   SELECT d.org_id, d.delivery_id, w.url, w.secret
                     FROM endpoints w
                    CROSS JOIN LATERAL (
                          SELECT d.org_id, d.delivery_id
                            FROM webhook_deliveries d
                           WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id AND d.next_attempt_at <= $1
                           ORDER BY d.next_attempt_at
                           LIMIT CASE WHEN w.webhook_id = ANY ($4::uuid[]) THEN $9::bigint ELSE $8::bigint END
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
            now + terms.lease,
            &busy,
            &prompt,
            &slow,
            as_limit(terms.endpoints),
            as_limit(terms.slow_endpoints),
            as_limit(terms.per_endpoint),
            as_limit(terms.per_prompt_endpoint)
        )
        .fetch_all(&mut *transaction)
        .await?;
        let mut keys: Vec<RowKey> =
            rows.iter().map(|row| RowKey::of(row.org_id, row.dialect, row.session_id)).collect();
        keys.sort_unstable();
        keys.dedup();
        let sessions = SessionRow::read(&mut transaction, &keys).await?;
        transaction.commit().await?;

        let leased = rows.into_iter().filter_map(|row| {
            let Ok(event) = row.event.parse() else {
                tracing::warn!(delivery = %DeliveryId(row.delivery_id), event = row.event, "webhook.unknown_event");
                return None;
            };
            let session = sessions.get(&RowKey::of(row.org_id, row.dialect, row.session_id));
            Some(Leased {
                org: OrgId(row.org_id),
                webhook: WebhookId(row.webhook_id),
                delivery: DeliveryId(row.delivery_id),
                url: row.url,
                secret: row.secret.into(),
                event,
                attempt: row.attempts.unsigned_abs(),
                queued_at: row.queued_at,
                session: session.cloned().map(Session::try_from).transpose(),
                last_said_at: row.last_said_at,
            })
        });
        Ok(leased.collect())
    }

    /// Stores what became of an attempt, unless another replica has delivered it since, and what it changes for the
    /// endpoint. A failure counts only while the delivery has not been leased or queued again, and has not failed with its
    /// endpoint.
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
        let mut transaction = scope::begin_system_unflushed(&self.pool).await?;
        // The endpoint before its deliveries, as when it is deleted, so that the two cannot wait for each other.
        attempted.endpoint.store(&mut transaction, attempted.leased).await?;
        sqlx::query!(
            "UPDATE webhook_deliveries
                SET delivered_at = $4, next_attempt_at = $5, failed_at = $6, last_status = $7, last_error = $8
              WHERE org_id = $1 AND delivery_id = $2 AND delivered_at IS NULL
                AND (attempts = $3 AND queued_at = $9 AND failed_at IS NULL OR $4::timestamptz IS NOT NULL)",
            attempted.leased.org.0,
            attempted.leased.delivery.0,
            i32::try_from(attempted.leased.attempt).unwrap_or(i32::MAX),
            delivered,
            again,
            failed,
            attempted.status.and_then(|status| i16::try_from(status).ok()),
            attempted.error,
            attempted.leased.queued_at
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        if let EndpointChange::Disabled(at) = attempted.endpoint {
            while self.fail_waiting(attempted.leased, at).await? == MAX_FAILED {}
        }
        Ok(())
    }

    /// Fails a batch of the deliveries that wait for an endpoint that is disabled. Returns how many there were. What is
    /// left when this is cut off expires with its day.
    async fn fail_waiting(&self, leased: &Leased, at: Timestamp) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system_unflushed(&self.pool).await?;
        let failed = sqlx::query!(
            "UPDATE webhook_deliveries d
                SET next_attempt_at = NULL, failed_at = $3, last_error = 'gone'
               FROM (SELECT org_id, delivery_id FROM webhook_deliveries
                      WHERE org_id = $1 AND webhook_id = $2 AND next_attempt_at IS NOT NULL
                      LIMIT $4 FOR UPDATE SKIP LOCKED) AS waiting
              WHERE d.org_id = waiting.org_id AND d.delivery_id = waiting.delivery_id",
            leased.org.0,
            leased.webhook.0,
            at,
            MAX_FAILED as i64
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(failed.rows_affected())
    }
}

impl EndpointChange {
    async fn store(self, connection: &mut PgConnection, leased: &Leased) -> Result<(), sqlx::Error> {
        let (paused_until, disabled_at) = match self {
            Self::None => return Ok(()),
            Self::Paused(until) => (Some(until), None),
            Self::Disabled(at) => (None, Some(at)),
        };
        sqlx::query!(
            "UPDATE webhooks
                SET paused_until = GREATEST(paused_until, $3), disabled_at = COALESCE(disabled_at, $4)
              WHERE org_id = $1 AND webhook_id = $2",
            leased.org.0,
            leased.webhook.0,
            paused_until,
            disabled_at
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
