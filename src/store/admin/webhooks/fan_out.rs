//! Turns entries of the session feed into deliveries.

use sqlx::PgConnection;
use uuid::Uuid;

use super::as_limit;
use super::expiries::watch_expiries;
use crate::domain::event::Speaker;
use crate::domain::webhook::Subscription;
use crate::domain::{DialectName, Mint, Timestamp, WebhookEvent};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::feed::FeedKind;
use crate::store::scope;
use crate::store::sessions::RowKey;

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
    /// Whether a session may have expired.
    pub expiring: bool,
    /// Whether there are sessions from before an endpoint that receives expiries.
    pub scanning: bool,
}

impl AdminStore {
    /// Returns what work there is for endpoints at `now`. It costs a few index look-ups per endpoint.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn webhooks_waiting(&self, now: Timestamp) -> Result<Waiting, AdminError> {
        let waiting = self.everywhere(|shard| async move { shard.waiting_in_shard(now).await }).await?;
        let any = |of: fn(&Waiting) -> bool| waiting.iter().any(of);
        Ok(Waiting {
            registered: any(|waiting| waiting.registered),
            behind: any(|waiting| waiting.behind),
            due: any(|waiting| waiting.due),
            expiring: any(|waiting| waiting.expiring),
            scanning: any(|waiting| waiting.scanning),
        })
    }

    async fn waiting_in_shard(&self, now: Timestamp) -> Result<Waiting, AdminError> {
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
                                        AND f.transaction < feed_horizon()
                                      LIMIT 1) entry) AS "behind!",
                      EXISTS (SELECT FROM open w
                               CROSS JOIN LATERAL (
                                     SELECT FROM webhook_deliveries d
                                      WHERE d.org_id = w.org_id AND d.webhook_id = w.webhook_id
                                        AND d.next_attempt_at <= $1
                                      LIMIT 1) delivery
                               WHERE w.paused_until IS NULL OR w.paused_until <= $1) AS "due!",
                      EXISTS (SELECT FROM open w
                               CROSS JOIN LATERAL (
                                     SELECT FROM session_expiries e
                                      WHERE e.org_id = w.org_id AND e.due_at <= $1
                                      LIMIT 1) session
                               WHERE w.expiries_since IS NOT NULL) AS "expiring!",
                      EXISTS (SELECT FROM open WHERE expiry_scan_dialect IS NOT NULL) AS "scanning!""#,
            now
        )
        .fetch_one(self.here().reads())
        .await?)
    }

    /// Queues deliveries for a batch of the feed. Every entry is queued once per endpoint that subscribed to it, also
    /// with concurrent replicas and after a crash. Returns `true` if there may be more than a batch.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn fan_out(&self, now: Timestamp, mint: &Mint) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let mut endpoints = Endpoint::lock_behind(&mut transaction).await?;
        if endpoints.is_empty() {
            return Ok(false);
        }
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        let mut read = vec![0; endpoints.len()];
        for entry in Endpoint::entries(&mut transaction, &endpoints).await? {
            let number = usize::try_from(entry.number - 1).unwrap_or(usize::MAX);
            let (Some(endpoint), Some(read)) = (endpoints.get_mut(number), read.get_mut(number)) else { continue };
            *read += 1;
            (endpoint.feed_transaction, endpoint.feed_place) = (entry.transaction, entry.place);
            // A later version wrote it.
            let Some(dialect) = DialectName::from_code(entry.dialect) else { continue };
            let key = RowKey::of(endpoint.org_id, entry.dialect, entry.session_id);
            if let Some(since) = endpoint.expiries_since
                && endpoint.subscription.has(WebhookEvent::SessionExpired, dialect)
                && matches!(FeedKind::from_code(entry.kind), Some(FeedKind::Started | FeedKind::Updated))
            {
                changed.push((key, since));
            }
            if let Some(event) = endpoint.event(&entry, dialect) {
                let number = entry.event_number.filter(|_| event == WebhookEvent::MessageCreated);
                new.push(NewDelivery { webhook: endpoint.webhook_id, session: key, event, number });
            }
        }
        queue(&mut transaction, &new, now, mint).await?;
        watch_expiries(&mut transaction, changed).await?;
        Endpoint::move_on(&mut transaction, &endpoints).await?;
        transaction.commit().await?;
        Ok(endpoints.len() == MAX_ENDPOINTS || read.contains(&MAX_ENTRIES))
    }

    /// Resets positions that lie in the future. These come from a database that was copied from another Postgres which
    /// had counted more transactions. Without the reset, the endpoints would receive nothing until this server had
    /// counted as many.
    ///
    /// Also makes the enabled endpoints followers of their organizations, and no others, because a release that does not
    /// know followers may have deleted or disabled endpoints.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn settle_webhooks(&self) -> Result<(), AdminError> {
        self.everywhere(|shard| async move { shard.settle_in_shard().await }).await?;
        Ok(())
    }

    async fn settle_in_shard(&self) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        sqlx::query!(
            "UPDATE webhooks
                SET feed_transaction = feed_horizon() - 1,
                    feed_place = 2147483647
              WHERE feed_transaction >= feed_end()"
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE webhooks SET expiry_scan_after = NULL
              WHERE expiry_scan_after > feed_end()"
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE webhooks
                SET expiries_since = NULL, expiry_scan_dialect = NULL, expiry_scan_session = NULL,
                    expiry_scan_after = NULL
              WHERE disabled_at IS NOT NULL AND expiries_since IS NOT NULL"
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "WITH stray AS (
                 DELETE FROM feed_followers f
                  WHERE f.follower_id <> '00000000-0000-0000-0000-000000000000'
                    AND NOT EXISTS (SELECT FROM webhooks w
                                     WHERE w.org_id = f.org_id AND w.webhook_id = f.follower_id
                                       AND w.disabled_at IS NULL)
             )
             INSERT INTO feed_followers (org_id, follower_id)
             SELECT org_id, webhook_id FROM webhooks WHERE disabled_at IS NULL AND dialects <> $1::smallint[]
                 ON CONFLICT (org_id, follower_id) DO NOTHING",
            &[DialectName::WITH_FEED.code()]
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// An endpoint and its cursor in the feed.
struct Endpoint {
    org_id: Uuid,
    webhook_id: Uuid,
    subscription: Subscription,
    /// Expiries after this time are events for it; `None` if none is.
    expiries_since: Option<Timestamp>,
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
    event_number: Option<i64>,
    /// The dialect's word for the kind of the event, if the endpoint receives messages.
    event_kind: Option<String>,
    /// When the session that has expired did so.
    expired_at: Option<Timestamp>,
}

/// A delivery to be queued.
struct NewDelivery {
    webhook: Uuid,
    session: RowKey,
    event: WebhookEvent,
    /// The number of the message.
    number: Option<i64>,
}

impl Endpoint {
    /// Returns the event that an entry of the feed is to this endpoint.
    fn event(&self, entry: &QueuedEntry, dialect: DialectName) -> Option<WebhookEvent> {
        let event = match FeedKind::from_code(entry.kind)? {
            FeedKind::Started => WebhookEvent::SessionCreated,
            FeedKind::Ended => WebhookEvent::SessionEnded,
            FeedKind::Expired if entry.expired_at > self.expiries_since => WebhookEvent::SessionExpired,
            FeedKind::Appended => {
                Speaker::of(dialect, entry.event_kind.as_deref()?)?;
                WebhookEvent::MessageCreated
            }
            FeedKind::Updated | FeedKind::Expired => return None,
        };
        self.subscription.has(event, dialect).then_some(event)
    }

    /// Locks endpoints that have entries of the feed to process and that no other replica has locked. Those furthest
    /// behind come first, so that every endpoint is processed. Endpoints of disabled organizations are left out.
    async fn lock_behind(connection: &mut PgConnection) -> Result<Vec<Self>, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT w.org_id, w.webhook_id, w.events, w.dialects, w.expiries_since, w.feed_transaction, w.feed_place
               FROM webhooks w
               JOIN organizations o USING (org_id)
              WHERE o.disabled_at IS NULL AND w.disabled_at IS NULL
                AND EXISTS (SELECT FROM session_feed f
                             WHERE f.org_id = w.org_id
                               AND (f.transaction, f.place) > (w.feed_transaction, w.feed_place)
                               AND f.transaction < feed_horizon())
              ORDER BY w.feed_transaction, w.feed_place
              LIMIT $1
                FOR UPDATE OF w SKIP LOCKED",
            as_limit(MAX_ENDPOINTS)
        )
        .fetch_all(connection)
        .await?;
        let endpoint = rows.into_iter().map(|row| Self {
            org_id: row.org_id,
            webhook_id: row.webhook_id,
            subscription: Subscription::stored(&row.events, &row.dialects),
            expiries_since: row.expiries_since,
            feed_transaction: row.feed_transaction,
            feed_place: row.feed_place,
        });
        Ok(endpoint.collect())
    }

    /// Returns the entries of the feed after the endpoints' cursors, in the feed's order.
    async fn entries(connection: &mut PgConnection, endpoints: &[Self]) -> Result<Vec<QueuedEntry>, sqlx::Error> {
        let orgs: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.org_id).collect();
        let transactions: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.feed_transaction).collect();
        let places: Vec<i32> = endpoints.iter().map(|endpoint| endpoint.feed_place).collect();
        let has_messages = |endpoint: &Self| endpoint.subscription.events().contains(&WebhookEvent::MessageCreated);
        let with_messages: Vec<bool> = endpoints.iter().map(has_messages).collect();
        sqlx::query_as!(
            QueuedEntry,
            r#"SELECT w.number AS "number!", f.transaction, f.place, f.dialect, f.session_id, f.kind, f.event_number,
                      CASE WHEN w.messages AND f.kind = $6 THEN (
                          SELECT e.kind FROM session_events e
                           WHERE e.org_id = w.org_id AND e.dialect = f.dialect AND e.session_id = f.session_id
                             AND e.number = f.event_number) END AS event_kind,
                      CASE WHEN f.kind = $7 THEN (
                          SELECT s.expires_at FROM sessions s
                           WHERE s.org_id = w.org_id AND s.dialect = f.dialect AND s.session_id = f.session_id) END
                          AS expired_at
                 FROM UNNEST($1::uuid[], $2::bigint[], $3::integer[], $5::boolean[])
                      WITH ORDINALITY AS w (org_id, transaction, place, messages, number)
                CROSS JOIN LATERAL (
                      SELECT f.transaction, f.place, f.dialect, f.session_id, f.kind, f.event_number
                        FROM session_feed f
                       WHERE f.org_id = w.org_id AND (f.transaction, f.place) > (w.transaction, w.place)
                         AND f.transaction < feed_horizon()
                       ORDER BY f.transaction, f.place
                       LIMIT $4) f
                ORDER BY w.number, f.transaction, f.place"#,
            &orgs,
            &transactions,
            &places,
            as_limit(MAX_ENTRIES),
            &with_messages,
            FeedKind::Appended.code(),
            FeedKind::Expired.code()
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
    now: Timestamp,
    mint: &Mint,
) -> Result<(), sqlx::Error> {
    let keys = RowKey::columns(new.iter().map(|new| &new.session));
    let webhooks: Vec<Uuid> = new.iter().map(|new| new.webhook).collect();
    let events: Vec<&str> = new.iter().map(|new| new.event.as_str()).collect();
    let numbers: Vec<Option<i64>> = new.iter().map(|new| new.number).collect();
    // The ids sort by time. Ids of one moment are sorted here so that they follow the order of the feed.
    let mut deliveries: Vec<Uuid> = new.iter().map(|_| mint.session_id(now).0).collect();
    deliveries.sort_unstable();
    sqlx::query!(
        "INSERT INTO webhook_deliveries (org_id, webhook_id, delivery_id, dialect, session_id, event, event_number,
                                         queued_at, next_attempt_at)
         SELECT org_id, webhook_id, delivery_id, dialect, session_id, event, event_number, $8, $8
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::uuid[], $6::text[], $7::bigint[])
             AS new (org_id, webhook_id, delivery_id, dialect, session_id, event, event_number)",
        &keys.orgs,
        &webhooks,
        &deliveries,
        &keys.dialects,
        &keys.ids,
        &events as &[&str],
        &numbers as &[Option<i64>],
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
