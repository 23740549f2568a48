//! Folding totals whose buckets are over.
//!
//! Writers add a row per connection to each bucket (shards from 0). Folding merges these rows into one, [`FOLDED`], and
//! adds it to the sums of days and months, in one transaction. So a reader that adds up all rows of a bucket, or the
//! sums and the rows that are not folded, counts every event once, before and after. A late event creates another row,
//! which is folded later.

use chrono::{DurationRound, TimeDelta};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::Timestamp;

/// The shard of a folded row.
pub(super) const FOLDED: i16 = -1;
/// How long after its end a bucket is folded, because some events arrive late.
const SLACK: TimeDelta = TimeDelta::minutes(10);

/// Planner settings for statements that find rows by lists of keys, however large the tables are.
pub(in crate::store) const BY_KEYS: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
                                            SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

struct FoldedRow {
    org_id: Uuid,
    daily: bool,
    bucket: Timestamp,
    kind: String,
    name: String,
    events: i64,
    taken: i64,
}

/// Folds at most `limit` rows of buckets that are over at `now`. Returns how many were folded. Concurrent replicas take
/// different rows.
pub(in crate::store) async fn fold(
    connection: &mut PgConnection,
    now: Timestamp,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let over = now - SLACK;
    let truncated = |width| over.duration_trunc(width).unwrap_or(over);
    let rows = sqlx::query_as!(
        FoldedRow,
        r#"WITH old AS (
             SELECT org_id, daily, bucket, kind, name, shard FROM captured_totals
              WHERE shard >= 0 AND bucket < CASE WHEN daily THEN $1::timestamptz ELSE $2::timestamptz END
              ORDER BY org_id, daily, bucket LIMIT $3
                FOR UPDATE SKIP LOCKED
         ), taken AS (
             DELETE FROM captured_totals t USING old
              WHERE t.org_id = old.org_id AND t.daily = old.daily AND t.bucket = old.bucket AND t.kind = old.kind
                AND t.name = old.name AND t.shard = old.shard
             RETURNING t.org_id, t.daily, t.bucket, t.kind, t.name, t.events, t.errors, t.untimed, t.latency_ms,
                       t.latency_max
         ), folded AS (
             INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, untimed,
                                               latency_ms, latency_max)
             SELECT org_id, daily, bucket, kind, name, $4, sum(events), sum(errors), sum(untimed), sum(latency_ms),
                    max(latency_max)
               FROM taken
              GROUP BY org_id, daily, bucket, kind, name
              ORDER BY org_id, daily, bucket, kind, name
                 ON CONFLICT (org_id, daily, bucket, kind, name, shard)
                 DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                               untimed = t.untimed + EXCLUDED.untimed,
                               latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                               latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)
             RETURNING org_id, daily, bucket, kind, name, events
         ), parts AS (
             SELECT org_id, monthly, CASE WHEN monthly THEN date_trunc('month', bucket, 'UTC') ELSE bucket END AS bucket,
                    kind, CASE WHEN monthly THEN name ELSE '' END AS name, events, errors, untimed, latency_ms,
                    latency_max
               FROM taken CROSS JOIN (VALUES (false), (true)) AS width (monthly)
              WHERE daily
         ), summed AS (
             INSERT INTO captured_sums AS s (org_id, monthly, bucket, kind, name, events, errors, untimed, latency_ms,
                                             latency_max)
             SELECT org_id, monthly, bucket, kind, name, sum(events), sum(errors), sum(untimed), sum(latency_ms),
                    max(latency_max)
               FROM parts
              GROUP BY org_id, monthly, bucket, kind, name
              ORDER BY org_id, monthly, bucket, kind, name
                 ON CONFLICT (org_id, monthly, bucket, kind, name)
                 DO UPDATE SET events = s.events + EXCLUDED.events, errors = s.errors + EXCLUDED.errors,
                               untimed = s.untimed + EXCLUDED.untimed,
                               latency_ms = s.latency_ms + EXCLUDED.latency_ms,
                               latency_max = GREATEST(s.latency_max, EXCLUDED.latency_max)
         )
         SELECT org_id AS "org_id!", daily AS "daily!", bucket AS "bucket!", kind AS "kind!", name AS "name!",
                events AS "events!", (SELECT count(*) FROM taken) AS "taken!"
           FROM folded"#,
        truncated(TimeDelta::days(1)),
        truncated(TimeDelta::hours(1)),
        limit,
        FOLDED
    )
    .fetch_all(&mut *connection)
    .await?;
    let taken = rows.first().map_or(0, |row| row.taken);
    let empty: Vec<FoldedRow> = rows.into_iter().filter(|row| row.events == 0).collect();
    if !empty.is_empty() {
        delete_empty(connection, &empty).await?;
    }
    Ok(taken.unsigned_abs())
}

/// Deletes folded rows and sums of buckets whose events were all deleted.
async fn delete_empty(connection: &mut PgConnection, rows: &[FoldedRow]) -> Result<(), sqlx::Error> {
    let orgs: Vec<Uuid> = rows.iter().map(|row| row.org_id).collect();
    let daily: Vec<bool> = rows.iter().map(|row| row.daily).collect();
    let buckets: Vec<Timestamp> = rows.iter().map(|row| row.bucket).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    sqlx::query!(
        "WITH empty AS (
             SELECT * FROM UNNEST($1::uuid[], $2::boolean[], $3::timestamptz[], $4::text[], $5::text[])
                 AS empty (org_id, daily, bucket, kind, name)
         ), totals AS (
             DELETE FROM captured_totals t USING empty
              WHERE t.org_id = empty.org_id AND t.daily = empty.daily AND t.bucket = empty.bucket
                AND t.kind = empty.kind AND t.name = empty.name AND t.shard = $6 AND t.events = 0
         ), sums AS (
             SELECT DISTINCT org_id, monthly,
                    CASE WHEN monthly THEN date_trunc('month', bucket, 'UTC') ELSE bucket END AS bucket, kind,
                    CASE WHEN monthly THEN name ELSE '' END AS name
               FROM empty CROSS JOIN (VALUES (false), (true)) AS width (monthly)
              WHERE daily
         )
         DELETE FROM captured_sums s USING sums
          WHERE s.org_id = sums.org_id AND s.monthly = sums.monthly AND s.bucket = sums.bucket AND s.kind = sums.kind
            AND s.name = sums.name AND s.events = 0",
        &orgs,
        &daily,
        &buckets,
        &kinds as &[&str],
        &names as &[&str],
        FOLDED
    )
    .execute(connection)
    .await?;
    Ok(())
}
