//! From the feed of sessions to deliveries.

use sqlx::PgConnection;
use uuid::Uuid;

use super::as_limit;
use crate::domain::{DialectName, Mint, Timestamp, WebhookEvent};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::{feed, scope};

/// Endpoints, and entries for each of them, that are worked through in one transaction.
const MAX_ENDPOINTS: usize = 50;
const MAX_ENTRIES: usize = 500;

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// There are endpoints that are not disabled, of organizations that are not; the rest counts these only.
    pub registered: bool,
    /// The feed has what is not yet among the deliveries.
    pub behind: bool,
    /// A delivery is due.
    pub due: bool,
}

/// What an entry of the feed is to an endpoint: nothing, unless a session began or ended.
fn event_of(kind: i16) -> Option<WebhookEvent> {
    match kind {
        feed::STARTED => Some(WebhookEvent::SessionCreated),
        feed::ENDED => Some(WebhookEvent::SessionEnded),
        _ => None,
    }
}

impl AdminStore {
    /// What there is to do for endpoints at `now`: a few looks into indexes per endpoint.
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

    /// Writes down what endpoints are to be told of a dialect's sessions: every entry of the feed once per endpoint that
    /// asked for it, whoever else does so at once and wherever it is cut off. Whether there was more of it than a batch
    /// takes.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn fan_out(&self, dialect: DialectName, now: Timestamp, mint: &Mint) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let mut endpoints = Endpoint::lock_behind(&mut transaction).await?;
        if endpoints.is_empty() {
            return Ok(false);
        }
        let mut told = Vec::new();
        let mut read = vec![0; endpoints.len()];
        for entry in Endpoint::entries(&mut transaction, &endpoints).await? {
            let number = usize::try_from(entry.number - 1).unwrap_or(usize::MAX);
            let (Some(endpoint), Some(read)) = (endpoints.get_mut(number), read.get_mut(number)) else { continue };
            *read += 1;
            (endpoint.feed_transaction, endpoint.feed_place) = (entry.transaction, entry.place);
            let event = event_of(entry.kind).filter(|event| entry.dialect == dialect.code() && endpoint.wants(*event));
            if let Some(event) = event {
                told.push(Told {
                    org: endpoint.org_id,
                    webhook: endpoint.webhook_id,
                    session: entry.session_id,
                    event,
                });
            }
        }
        queue(&mut transaction, &told, dialect, now, mint).await?;
        Endpoint::move_on(&mut transaction, &endpoints).await?;
        transaction.commit().await?;
        Ok(endpoints.len() == MAX_ENDPOINTS || read.contains(&MAX_ENTRIES))
    }

    /// Brings back places that lie in the future: those of a database that was copied here from another Postgres, which
    /// had counted more transactions. Its endpoints would be told of nothing until this one had counted as many.
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

/// An endpoint, and where it stands in the feed.
struct Endpoint {
    org_id: Uuid,
    webhook_id: Uuid,
    events: Vec<String>,
    feed_transaction: i64,
    feed_place: i32,
}

/// An entry of the feed, for the endpoint of this number, counted from 1.
struct Entry {
    number: i64,
    transaction: i64,
    place: i32,
    dialect: i16,
    session_id: Uuid,
    kind: i16,
}

/// What an endpoint is to be told.
struct Told {
    org: Uuid,
    webhook: Uuid,
    session: Uuid,
    event: WebhookEvent,
}

impl Endpoint {
    fn wants(&self, event: WebhookEvent) -> bool {
        self.events.iter().any(|wanted| wanted == event.as_str())
    }

    /// Locks endpoints that have not come to the end of the feed, as far as nobody else holds them: those first that
    /// are furthest behind, so that each has its turn. Those of a disabled organization stay where they are.
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

    /// What the feed has behind their places, in its order.
    async fn entries(connection: &mut PgConnection, endpoints: &[Self]) -> Result<Vec<Entry>, sqlx::Error> {
        let orgs: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.org_id).collect();
        let transactions: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.feed_transaction).collect();
        let places: Vec<i32> = endpoints.iter().map(|endpoint| endpoint.feed_place).collect();
        sqlx::query_as!(
            Entry,
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

    /// Writes down where they stand now.
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

/// Makes deliveries of it, which are due at once.
async fn queue(
    connection: &mut PgConnection,
    told: &[Told],
    dialect: DialectName,
    now: Timestamp,
    mint: &Mint,
) -> Result<(), sqlx::Error> {
    let orgs: Vec<Uuid> = told.iter().map(|told| told.org).collect();
    let webhooks: Vec<Uuid> = told.iter().map(|told| told.webhook).collect();
    let sessions: Vec<Uuid> = told.iter().map(|told| told.session).collect();
    let events: Vec<&str> = told.iter().map(|told| told.event.as_str()).collect();
    // Ids that sort by time; of one moment, their order would be chance, and so is that of the feed.
    let mut deliveries: Vec<Uuid> = told.iter().map(|_| mint.session_id(now).0).collect();
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
