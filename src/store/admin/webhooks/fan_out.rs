//! Turns entries of the session feed into deliveries.

use sqlx::PgConnection;
use uuid::Uuid;

use super::as_limit;
use crate::domain::{DialectName, Mint, Timestamp, WebhookEvent};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::feed::FeedKind;
use crate::store::scope;

/// Endpoints per transaction, and entries for each of them.
const MAX_ENDPOINTS: usize = 50;
const MAX_ENTRIES: usize = 500;

/// What work there is for webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whether there are enabled endpoints of enabled organizations. The other members count these only.
    pub registered: bool,
    /// Whether the feed has entries that are not queued as deliveries yet.
    pub behind: bool,
    /// Whether a delivery is due.
    pub due: bool,
}

/// Returns the event that an entry of the feed is to an endpoint. Only the start and the end of a session are events.
fn event_of(kind: i16) -> Option<WebhookEvent> {
    match FeedKind::from_code(kind)? {
        FeedKind::Started => Some(WebhookEvent::SessionCreated),
        FeedKind::Ended => Some(WebhookEvent::SessionEnded),
        FeedKind::Updated | FeedKind::Appended => None,
    }
}

impl AdminStore {
    /// Returns what work there is for endpoints at `now`. It costs a few index look-ups per endpoint.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn webhooks_waiting(&self, now: Timestamp) -> Result<Waiting, AdminError> {
        Ok(sqlx::query_as!(
            Waiting,
            r#"WITH open AS (
                   SELECT w.* FROM webhooks w JOIN organizations o USING (org_id)
                    WHERE o.disabled_at IS NULL AND w.disabled_at IS NULL)
               SELECT EXISTS (SELECT FROM open) AS "registered!",
                      EXISTS (SELECT FROM open w
                               CROSS JOIN LATERAL (
                                     SELECT FROM session_feed f
                                      WHERE f.org_id = w.org_id
                                        AND (f.transaction, f.place) > (w.feed_transaction, w.feed_place)
                                        AND f.transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                                      LIMIT 1) entry) AS "behind!",
                      EXISTS (SELECT FROM open w
                               CROSS JOIN LATERAL (
                                     SELECT FROM webhook_deliveries d
                                      WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id
                                        AND d.next_attempt_at <= $1
                                      LIMIT 1) delivery
                               WHERE w.paused_until IS NULL OR w.paused_until <= $1) AS "due!""#,
            now
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Queues deliveries for a batch of the feed of a dialect. Every entry is queued once per endpoint that subscribed
    /// to it, also with concurrent replicas and after a crash. Returns `true` if there may be more than a batch.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn fan_out(&self, dialect: DialectName, now: Timestamp, mint: &Mint) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let mut endpoints = Endpoint::lock_behind(&mut transaction).await?;
        if endpoints.is_empty() {
            return Ok(false);
        }
        let mut new = Vec::new();
        let mut read = vec![0; endpoints.len()];
        for entry in Endpoint::entries(&mut transaction, &endpoints).await? {
            let number = usize::try_from(entry.number - 1).unwrap_or(usize::MAX);
            let (Some(endpoint), Some(read)) = (endpoints.get_mut(number), read.get_mut(number)) else { continue };
            *read += 1;
            (endpoint.feed_transaction, endpoint.feed_place) = (entry.transaction, entry.place);
            let event = event_of(entry.kind).filter(|event| entry.dialect == dialect.code() && endpoint.wants(*event));
            if let Some(event) = event {
                new.push(NewDelivery {
                    org: endpoint.org_id,
                    webhook: endpoint.webhook_id,
                    session: entry.session_id,
                    event,
                });
            }
        }
        queue(&mut transaction, &new, dialect, now, mint).await?;
        Endpoint::move_on(&mut transaction, &endpoints).await?;
        transaction.commit().await?;
        Ok(endpoints.len() == MAX_ENDPOINTS || read.contains(&MAX_ENTRIES))
    }

    /// Resets feed cursors that lie in the future. These come from a database that was copied from another Postgres
    /// which had counted more transactions. Without the reset, the endpoints would receive nothing until this server
    /// had counted as many.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn settle_webhooks(&self) -> Result<(), AdminError> {
        sqlx::query!(
            "UPDATE webhooks
                SET feed_transaction = pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1,
                    feed_place = 2147483647
              WHERE feed_transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// An endpoint and its cursor in the feed.
struct Endpoint {
    org_id: Uuid,
    webhook_id: Uuid,
    events: Vec<String>,
    feed_transaction: i64,
    feed_place: i32,
}

/// An entry of the feed, for the endpoint of this number, counted from 1.
struct QueuedEntry {
    number: i64,
    transaction: i64,
    place: i32,
    dialect: i16,
    session_id: Uuid,
    kind: i16,
}

/// A delivery to be queued.
struct NewDelivery {
    org: Uuid,
    webhook: Uuid,
    session: Uuid,
    event: WebhookEvent,
}

impl Endpoint {
    fn wants(&self, event: WebhookEvent) -> bool {
        self.events.iter().any(|wanted| wanted == event.as_str())
    }

    /// Locks endpoints that have entries of the feed to process and that no other replica has locked. Those furthest
    /// behind come first, so that every endpoint is processed. Endpoints of disabled organizations are left out.
    async fn lock_behind(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        sqlx::query_as!(
            Self,
            "SELECT w.org_id, w.webhook_id, w.events, w.feed_transaction, w.feed_place
               FROM webhooks w
               JOIN organizations o USING (org_id)
              WHERE o.disabled_at IS NULL AND w.disabled_at IS NULL
                AND EXISTS (SELECT FROM session_feed f
                             WHERE f.org_id = w.org_id
                               AND (f.transaction, f.place) > (w.feed_transaction, w.feed_place)
                               AND f.transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
              ORDER BY w.feed_transaction, w.feed_place
              LIMIT $1
                FOR UPDATE OF w SKIP LOCKED",
            as_limit(MAX_ENDPOINTS)
        )
        .fetch_all(connection)
        .await
    }

    /// Returns the entries of the feed after the endpoints' cursors, in the feed's order.
    async fn entries(connection: &mut PgConnection, endpoints: &[Self]) -> Result<Vec<QueuedEntry>, sqlx::Error> {
        let orgs: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.org_id).collect();
        let transactions: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.feed_transaction).collect();
        let places: Vec<i32> = endpoints.iter().map(|endpoint| endpoint.feed_place).collect();
        sqlx::query_as!(
            QueuedEntry,
            r#"SELECT w.number AS "number!", f.transaction, f.place, f.dialect, f.session_id, f.kind
                 FROM UNNEST($1::uuid[], $2::bigint[], $3::integer[])
                      WITH ORDINALITY AS w (org_id, transaction, place, number)
                CROSS JOIN LATERAL (
                      SELECT f.transaction, f.place, f.dialect, f.session_id, f.kind
                        FROM session_feed f
                       WHERE f.org_id = w.org_id AND (f.transaction, f.place) > (w.transaction, w.place)
                         AND f.transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                       ORDER BY f.transaction, f.place
                       LIMIT $4) f
                ORDER BY w.number, f.transaction, f.place"#,
            &orgs,
            &transactions,
            &places,
            as_limit(MAX_ENTRIES)
        )
        .fetch_all(connection)
        .await
    }

    /// Stores the cursors of the endpoints.
    async fn move_on(connection: &mut PgConnection, endpoints: &[Self]) -> Result<(), sqlx::Error> {
        let orgs: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.org_id).collect();
        let ids: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.webhook_id).collect();
        let transactions: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.feed_transaction).collect();
        let places: Vec<i32> = endpoints.iter().map(|endpoint| endpoint.feed_place).collect();
        sqlx::query!(
            "UPDATE webhooks w SET feed_transaction = new.transaction, feed_place = new.place
               FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[])
                 AS new (org_id, webhook_id, transaction, place)
              WHERE w.org_id = new.org_id AND w.webhook_id = new.webhook_id",
            &orgs,
            &ids,
            &transactions,
            &places
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Queues deliveries, which are due at once.
async fn queue(
    connection: &mut PgConnection,
    new: &[NewDelivery],
    dialect: DialectName,
    now: Timestamp,
    mint: &Mint,
) -> Result<(), sqlx::Error> {
    let orgs: Vec<Uuid> = new.iter().map(|new| new.org).collect();
    let webhooks: Vec<Uuid> = new.iter().map(|new| new.webhook).collect();
    let sessions: Vec<Uuid> = new.iter().map(|new| new.session).collect();
    let events: Vec<&str> = new.iter().map(|new| new.event.as_str()).collect();
    // The ids sort by time. Ids of one moment are sorted here so that they follow the order of the feed.
    let mut deliveries: Vec<Uuid> = new.iter().map(|_| mint.session_id(now).0).collect();
    deliveries.sort_unstable();
    sqlx::query!(
        "INSERT INTO webhook_deliveries (org_id, webhook_id, delivery_id, dialect, session_id, event, queued_at,
                                         next_attempt_at)
         SELECT org_id, webhook_id, delivery_id, $6, session_id, event, $7, $7
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[])
             AS new (org_id, webhook_id, delivery_id, session_id, event)",
        &orgs,
        &webhooks,
        &deliveries,
        &sessions,
        &events as &[&str],
        dialect.code(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
