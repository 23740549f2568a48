//! Leases deliveries that are due, and records their outcomes.

use std::collections::HashMap;

use chrono::TimeDelta;
use secrecy::SecretString;
use sqlx::PgConnection;
use uuid::Uuid;

use super::as_limit;
use crate::domain::sealing::{self, SealError};
use crate::domain::{DeliveryId, DialectName, Event, OrgId, Session, Timestamp, WebhookEvent, WebhookId};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::sealing::Opener;
use crate::store::sessions::RowKey;
use crate::store::webhooks::follow;
use crate::store::{SessionRow, StoreError, events, scope};

/// Deliveries that are failed in one transaction when their endpoint is disabled.
const MAX_FAILED: u64 = 1_000;
/// Bytes of the messages that are leased at once for an endpoint: at least one message. Multiplied by the endpoints,
/// this is the limit of what a replica has in memory.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// A delivery that this caller may attempt until its lease runs out.
pub struct Leased {
    pub org: OrgId,
    pub webhook: WebhookId,
    pub delivery: DeliveryId,
    pub url: String,
    /// The secret, and the one before it while its rotation lasts.
    /// An error if they are sealed and cannot be opened.
    pub secrets: Result<Vec<SecretString>, SealError>,
    pub event: WebhookEvent,
    /// Counted from 1.
    pub attempt: u32,
    pub queued_at: Timestamp,
    /// The session at the time of the lease; `None` if it does not exist, an error if it cannot be read.
    pub session: Result<Option<Session>, StoreError>,
    /// The message of [`WebhookEvent::MessageCreated`]; `None` if it does not exist any more.
    pub message: Option<Event>,
    /// The key of the session's agent, of a dialect whose paths have it.
    pub agent_key: Option<String>,
    /// The time of the last message of the session.
    pub last_said_at: Option<Timestamp>,
}

/// Which deliveries are leased, how many, and for how long.
pub struct LeaseTerms<'a> {
    pub lease: TimeDelta,
    /// Endpoints that are left out.
    pub busy: &'a [WebhookId],
    /// Endpoints that responded quickly of late.
    pub prompt: &'a [WebhookId],
    /// Endpoints that responded slowly of late.
    pub slow: &'a [WebhookId],
    /// How many endpoints are leased from at most, and how many slow ones among them.
    pub endpoints: usize,
    pub slow_endpoints: usize,
    /// How many deliveries are leased at most from an endpoint, and from a prompt endpoint.
    pub per_endpoint: usize,
    pub per_prompt_endpoint: usize,
}

/// The outcome of an attempt.
pub struct Attempted<'a> {
    pub leased: &'a Leased,
    pub status: Option<u16>,
    /// A code for what went wrong.
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
    /// Nothing is leased or queued any more, and the queued deliveries fail.
    Disabled(Timestamp),
}

/// What happens to a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    DeliveredAt(Timestamp),
    AgainAt(Timestamp),
    FailedAt(Timestamp),
}

impl AdminStore {
    /// Leases deliveries that are due at `now`; of each endpoint, those that have been due longest. Endpoints are
    /// chosen at random, because by age the endpoints with the longest backlog, which do not respond, would always come
    /// first. Deliveries of disabled organizations and of disabled or paused endpoints are not leased. Events that this
    /// version does not know are left to other replicas.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn lease_deliveries(&self, now: Timestamp, terms: &LeaseTerms<'_>) -> Result<Vec<Leased>, AdminError> {
        let ids = |ids: &[WebhookId]| -> Vec<Uuid> { ids.iter().map(|id| id.0).collect() };
        let (busy, prompt, slow) = (ids(terms.busy), ids(terms.prompt), ids(terms.slow));
        let mut transaction = scope::begin_system_unflushed(&self.here()).await?;
        let rows = sqlx::query!(
            r#"WITH waiting AS (
                   SELECT w.org_id, w.webhook_id, w.url, w.secret,
                          CASE WHEN w.previous_secret_until > $1 THEN w.previous_secret END AS previous_secret,
                          w.webhook_id = ANY ($5::uuid[]) AS slow,
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
                   SELECT d.org_id, d.delivery_id, w.url, w.secret, w.previous_secret
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
               RETURNING d.org_id, d.webhook_id, d.delivery_id, due.url AS "url!", due.secret AS "secret!",
                         due.previous_secret, d.event,
                         d.attempts, d.queued_at, d.dialect, d.session_id, d.event_number,
                         (SELECT octet_length(e.payload::text) + COALESCE(octet_length(e.content), 0)
                            FROM session_events e
                           WHERE e.org_id = d.org_id AND e.dialect = d.dialect AND e.session_id = d.session_id
                             AND e.number = d.event_number) AS message_bytes,
                         (SELECT a.key FROM sessions s
                            JOIN agents a ON a.org_id = s.org_id AND a.agent_id = s.agent_id AND a.deleted_at IS NULL
                           WHERE s.org_id = d.org_id AND s.dialect = d.dialect AND s.session_id = d.session_id
                             AND s.dialect = $10) AS agent_key,
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
            as_limit(terms.per_prompt_endpoint),
            DialectName::AgentKey.code()
        )
        .fetch_all(&mut *transaction)
        .await?;
        let sizes =
            rows.iter().map(|row| (row.webhook_id, usize::try_from(row.message_bytes.unwrap_or(0)).unwrap_or(0)));
        let fits = fitting(sizes);
        let (rows, left): (Vec<_>, Vec<_>) = rows.into_iter().zip(fits).partition(|(_, fits)| *fits);
        let rows: Vec<_> = rows.into_iter().map(|(row, _)| row).collect();
        let left: Vec<(Uuid, Uuid)> = left.into_iter().map(|(row, _)| (row.org_id, row.delivery_id)).collect();
        give_back(&mut transaction, &left, now).await?;
        let messages: Vec<(RowKey, i64)> = rows
            .iter()
            .filter_map(|row| Some((RowKey::of(row.org_id, row.dialect, row.session_id), row.event_number?)))
            .collect();
        let messages = events::numbered(&mut transaction, &messages).await?;
        let mut keys: Vec<RowKey> =
            rows.iter().map(|row| RowKey::of(row.org_id, row.dialect, row.session_id)).collect();
        keys.sort_unstable();
        keys.dedup();
        let sessions = SessionRow::read(&mut transaction, &keys).await?;
        let is_sealed = |secret: Option<&String>| secret.is_some_and(|secret| sealing::is_sealed(secret));
        let sealed = rows.iter().filter(|row| is_sealed(Some(&row.secret)) || is_sealed(row.previous_secret.as_ref()));
        let sealed = sealed.map(|row| OrgId(row.org_id)).collect();
        let opener = Opener::of(&mut transaction, self.sealing.as_ref(), sealed).await?;
        transaction.commit().await?;

        let leased = rows.into_iter().filter_map(|row| {
            let Ok(event) = row.event.parse() else {
                tracing::warn!(delivery = %DeliveryId(row.delivery_id), event = row.event, "webhook.unknown_event");
                return None;
            };
            let key = RowKey::of(row.org_id, row.dialect, row.session_id);
            let session = sessions.get(&key);
            let message = row.event_number.and_then(|number| messages.get(&(key, number)).cloned());
            Some(Leased {
                org: OrgId(row.org_id),
                webhook: WebhookId(row.webhook_id),
                delivery: DeliveryId(row.delivery_id),
                url: row.url,
                secrets: [Some(row.secret), row.previous_secret]
                    .into_iter()
                    .flatten()
                    .map(|secret| opener.open(OrgId(row.org_id), row.webhook_id, secret))
                    .collect(),
                event,
                attempt: row.attempts.unsigned_abs(),
                queued_at: row.queued_at,
                session: session.cloned().map(Session::try_from).transpose(),
                message,
                agent_key: row.agent_key,
                last_said_at: row.last_said_at,
            })
        });
        Ok(leased.collect())
    }

    /// Stores the outcome of an attempt and its effect on the endpoint, unless another replica has delivered it since.
    /// A failure counts only if the delivery has not been leased or queued again, and has not failed with its endpoint.
    ///
    /// # Errors
    /// When the database cannot be reached. The delivery is then attempted again after the lease has run out.
    pub async fn record_attempt(&self, attempted: &Attempted<'_>) -> Result<(), AdminError> {
        let (mut delivered, mut again, mut failed) = (None, None, None);
        match attempted.next {
            Next::DeliveredAt(at) => delivered = Some(at),
            Next::AgainAt(at) => again = Some(at),
            Next::FailedAt(at) => failed = Some(at),
        }
        let mut transaction = scope::begin_system_unflushed(&self.pool(attempted.leased.org)).await?;
        // Locks the endpoint before its deliveries, in the order that deleting an endpoint uses, so that the two cannot
        // deadlock.
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

    /// Marks a batch of the queued deliveries of a disabled endpoint as failed. Returns how many there were. If this is
    /// interrupted, the others expire after a day.
    async fn fail_waiting(&self, leased: &Leased, at: Timestamp) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system_unflushed(&self.pool(leased.org)).await?;
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

/// Returns for each delivery, of an endpoint and so many bytes, whether the endpoint's message bytes allow it.
fn fitting(deliveries: impl Iterator<Item = (Uuid, usize)>) -> Vec<bool> {
    let mut taken: HashMap<Uuid, usize> = HashMap::new();
    deliveries
        .map(|(endpoint, bytes)| {
            let taken = taken.entry(endpoint).or_default();
            let fits = *taken == 0 || *taken + bytes <= MAX_MESSAGE_BYTES;
            *taken += if fits { bytes } else { 0 };
            fits
        })
        .collect()
}

/// Makes leased deliveries due again at `now`, as if they had not been leased.
async fn give_back(
    connection: &mut PgConnection,
    deliveries: &[(Uuid, Uuid)],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = deliveries.iter().copied().unzip();
    sqlx::query!(
        "UPDATE webhook_deliveries d SET attempts = d.attempts - 1, next_attempt_at = $3
           FROM UNNEST($1::uuid[], $2::uuid[]) AS left_over (org_id, delivery_id)
          WHERE d.org_id = left_over.org_id AND d.delivery_id = left_over.delivery_id",
        &orgs,
        &ids,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
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
                SET paused_until = GREATEST(paused_until, $3), disabled_at = COALESCE(disabled_at, $4),
                    expiries_since = CASE WHEN $4::timestamptz IS NULL THEN expiries_since END,
                    expiry_scan_dialect = CASE WHEN $4::timestamptz IS NULL THEN expiry_scan_dialect END,
                    expiry_scan_session = CASE WHEN $4::timestamptz IS NULL THEN expiry_scan_session END,
                    disabled_reason = COALESCE(disabled_reason, CASE WHEN $4::timestamptz IS NOT NULL THEN 'gone' END)
              WHERE org_id = $1 AND webhook_id = $2",
            leased.org.0,
            leased.webhook.0,
            paused_until,
            disabled_at
        )
        .execute(&mut *connection)
        .await?;
        if disabled_at.is_some() {
            follow(connection, leased.org, leased.webhook, false).await?;
        }
        Ok(())
    }
}
