//! Rebuilds totals from the events.
//!
//! Every writer adds to the totals in the transaction that writes the events. So in one snapshot the totals of a bucket
//! must equal the sums over its events. A difference is an error, however many writers are active, and it is corrected
//! by adding it, as a writer does. A maximum cannot be corrected by adding; it is lowered if its row is unchanged since
//! the snapshot.

use chrono::{DurationRound, TimeDelta};
use sqlx::PgConnection;

use super::fold::FOLDED;
use crate::domain::{OrgId, Timestamp};

/// Planner settings for statements that join counts with stored totals, because the planner cannot estimate the number
/// of counted rows.
pub(in crate::store) const BY_RANGES: &str = "SET LOCAL enable_nestloop = off; SET LOCAL jit = off";

/// Events after which a batch of days ends.
const BATCH_EVENTS: i64 = 50_000;

/// Days, from `from` on and before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Days {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Days {
    /// Returns the day of a moment.
    pub fn of(at: Timestamp) -> Self {
        let from = at.duration_trunc(TimeDelta::days(1)).unwrap_or(at);
        Self { from, until: from + TimeDelta::days(1) }
    }
}

/// Returns the first days from `from` on that have events or totals, about [`BATCH_EVENTS`] of them.
pub(in crate::store) async fn next_days(
    connection: &mut PgConnection,
    org: OrgId,
    from: Timestamp,
) -> Result<Option<Days>, sqlx::Error> {
    let first = sqlx::query_scalar!(
        "SELECT LEAST((SELECT min(at) FROM captured_events WHERE org_id = $1 AND at >= $2),
                      (SELECT min(bucket) FROM captured_totals WHERE org_id = $1 AND daily AND bucket >= $2),
                      (SELECT min(bucket) FROM captured_totals WHERE org_id = $1 AND NOT daily AND bucket >= $2))",
        org.0,
        from
    )
    .fetch_one(&mut *connection)
    .await?;
    let Some(first) = first.map(Days::of) else { return Ok(None) };
    let last = sqlx::query_scalar!(
        "SELECT at FROM captured_events WHERE org_id = $1 AND at >= $2 ORDER BY at, event_id OFFSET $3 LIMIT 1",
        org.0,
        first.from,
        BATCH_EVENTS
    )
    .fetch_optional(connection)
    .await?;
    let until = last.map_or(first.from + TimeDelta::days(366), |at| Days::of(at).from);
    Ok(Some(Days { until: until.max(first.until), ..first }))
}

/// Corrects the totals of these days by adding the differences. Returns how many were wrong.
pub(in crate::store) async fn add_missing(
    connection: &mut PgConnection,
    org: OrgId,
    days: Days,
) -> Result<u64, sqlx::Error> {
    let repaired = sqlx::query!(
        "WITH hours AS (
             SELECT date_trunc('hour', at, 'UTC') AS hour, kind, name, count(*) AS events,
                    count(*) FILTER (WHERE NOT success) AS errors, count(*) FILTER (WHERE untimed) AS untimed,
                    COALESCE(sum(latency_ms) FILTER (WHERE NOT untimed), 0) AS latency_ms,
                    COALESCE(max(latency_ms) FILTER (WHERE NOT untimed), 0) AS latency_max
               FROM captured_events WHERE org_id = $1 AND at >= $2 AND at < $3 GROUP BY 1, 2, 3
         ), counted AS (
             SELECT daily, CASE WHEN daily THEN date_trunc('day', hour, 'UTC') ELSE hour END AS bucket, kind, name,
                    sum(events) AS events, sum(errors) AS errors, sum(untimed) AS untimed,
                    sum(latency_ms) AS latency_ms, max(latency_max) AS latency_max
               FROM hours CROSS JOIN (VALUES (false), (true)) AS width (daily) GROUP BY 1, 2, 3, 4
         ), stored AS (
             SELECT daily, bucket, kind, name, sum(events) AS events, sum(errors) AS errors, sum(untimed) AS untimed,
                    sum(latency_ms) AS latency_ms, max(latency_max) AS latency_max
               FROM (SELECT * FROM captured_totals WHERE org_id = $1 AND daily AND bucket >= $2 AND bucket < $3
                     UNION ALL
                     SELECT * FROM captured_totals WHERE org_id = $1 AND NOT daily AND bucket >= $2 AND bucket < $3) t
              GROUP BY 1, 2, 3, 4
         ), missing AS (
             SELECT daily, bucket, kind, name, COALESCE(c.events, 0) - COALESCE(s.events, 0) AS events,
                    COALESCE(c.errors, 0) - COALESCE(s.errors, 0) AS errors,
                    COALESCE(c.untimed, 0) - COALESCE(s.untimed, 0) AS untimed,
                    COALESCE(c.latency_ms, 0) - COALESCE(s.latency_ms, 0) AS latency_ms,
                    COALESCE(c.latency_max, 0) AS latency_max
               FROM counted c FULL JOIN stored s USING (daily, bucket, kind, name)
              WHERE COALESCE(c.events, 0) <> COALESCE(s.events, 0) OR COALESCE(c.errors, 0) <> COALESCE(s.errors, 0)
                 OR COALESCE(c.untimed, 0) <> COALESCE(s.untimed, 0)
                 OR COALESCE(c.latency_ms, 0) <> COALESCE(s.latency_ms, 0)
                 OR COALESCE(c.latency_max, 0) > COALESCE(s.latency_max, 0)
         )
         INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, untimed,
                                           latency_ms, latency_max)
         SELECT $1, daily, bucket, kind, name, (pg_backend_pid() % 32)::smallint, events, errors, untimed, latency_ms,
                latency_max
           FROM missing ORDER BY daily, bucket, kind, name
             ON CONFLICT (org_id, daily, bucket, kind, name, shard)
             DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                           untimed = t.untimed + EXCLUDED.untimed,
                           latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                           latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)",
        org.0,
        days.from,
        days.until
    )
    .execute(connection)
    .await?;
    Ok(repaired.rows_affected())
}

/// Lowers the maxima of these days that are higher than that of any event. Returns how many were lowered.
pub(in crate::store) async fn lower_maxima(
    connection: &mut PgConnection,
    org: OrgId,
    days: Days,
) -> Result<u64, sqlx::Error> {
    let lowered = sqlx::query!(
        "WITH hours AS (
             SELECT date_trunc('hour', at, 'UTC') AS hour, kind, name,
                    COALESCE(max(latency_ms) FILTER (WHERE NOT untimed), 0) AS latency_max
               FROM captured_events WHERE org_id = $1 AND at >= $2 AND at < $3 GROUP BY 1, 2, 3
         ), counted AS (
             SELECT daily, CASE WHEN daily THEN date_trunc('day', hour, 'UTC') ELSE hour END AS bucket, kind, name,
                    max(latency_max) AS latency_max
               FROM hours CROSS JOIN (VALUES (false), (true)) AS width (daily) GROUP BY 1, 2, 3, 4
         ), seen AS (
             SELECT t.daily, t.bucket, t.kind, t.name, t.shard, t.events, t.errors, t.latency_ms,
                    COALESCE(c.latency_max, 0) AS latency_max
               FROM captured_totals t LEFT JOIN counted c USING (daily, bucket, kind, name)
              WHERE t.org_id = $1 AND t.daily IN (false, true) AND t.bucket >= $2 AND t.bucket < $3
                AND t.latency_max > COALESCE(c.latency_max, 0)
         )
         UPDATE captured_totals t SET latency_max = seen.latency_max
           FROM seen
          WHERE t.org_id = $1 AND t.daily IN (false, true) AND t.bucket >= $2 AND t.bucket < $3
            AND t.daily = seen.daily AND t.bucket = seen.bucket AND t.kind = seen.kind AND t.name = seen.name
            AND t.shard = seen.shard
            AND t.events = seen.events AND t.errors = seen.errors AND t.latency_ms = seen.latency_ms",
        org.0,
        days.from,
        days.until
    )
    .execute(connection)
    .await?;
    Ok(lowered.rows_affected())
}

/// Sets the sums of these days and of their months to the sums of the folded rows. Returns how many were wrong. Folding
/// changes both in one transaction, so they agree in every snapshot.
pub(in crate::store) async fn settle_sums(
    connection: &mut PgConnection,
    org: OrgId,
    days: Days,
) -> Result<u64, sqlx::Error> {
    let settled = sqlx::query!(
        "WITH months AS (
             SELECT date_trunc('month', $2::timestamptz, 'UTC') AS first,
                    date_trunc('month', $3::timestamptz, 'UTC') + interval '1 month' AS last
         ), folded AS (
             SELECT monthly, CASE WHEN monthly THEN date_trunc('month', bucket, 'UTC') ELSE bucket END AS bucket, kind,
                    CASE WHEN monthly THEN name ELSE '' END AS name, sum(events) AS events, sum(errors) AS errors,
                    sum(untimed) AS untimed, sum(latency_ms) AS latency_ms, max(latency_max) AS latency_max
               FROM captured_totals CROSS JOIN (VALUES (false), (true)) AS width (monthly)
              WHERE org_id = $1 AND daily AND shard = $4
                AND bucket >= (SELECT first FROM months) AND bucket < (SELECT last FROM months)
              GROUP BY 1, 2, 3, 4
         ), stored AS (
             SELECT * FROM captured_sums
              WHERE org_id = $1 AND monthly IN (false, true)
                AND bucket >= (SELECT first FROM months) AND bucket < (SELECT last FROM months)
         ), wrong AS (
             SELECT monthly, bucket, kind, name, COALESCE(f.events, 0) - COALESCE(s.events, 0) AS events,
                    COALESCE(f.errors, 0) - COALESCE(s.errors, 0) AS errors,
                    COALESCE(f.untimed, 0) - COALESCE(s.untimed, 0) AS untimed,
                    COALESCE(f.latency_ms, 0) - COALESCE(s.latency_ms, 0) AS latency_ms,
                    COALESCE(f.latency_max, 0) AS latency_max
               FROM folded f FULL JOIN stored s USING (monthly, bucket, kind, name)
              WHERE (f.events, f.errors, f.untimed, f.latency_ms, f.latency_max)
                    IS DISTINCT FROM (s.events, s.errors, s.untimed, s.latency_ms, s.latency_max)
         )
         INSERT INTO captured_sums AS t (org_id, monthly, bucket, kind, name, events, errors, untimed, latency_ms,
                                         latency_max)
         SELECT $1, monthly, bucket, kind, name, events, errors, untimed, latency_ms, latency_max
           FROM wrong ORDER BY monthly, bucket, kind, name
             ON CONFLICT (org_id, monthly, bucket, kind, name)
             DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                           untimed = t.untimed + EXCLUDED.untimed,
                           latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                           latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)",
        org.0,
        days.from,
        days.until,
        FOLDED
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "WITH months AS (
             SELECT date_trunc('month', $2::timestamptz, 'UTC') AS first,
                    date_trunc('month', $3::timestamptz, 'UTC') + interval '1 month' AS last
         ), folded AS (
             SELECT monthly, CASE WHEN monthly THEN date_trunc('month', bucket, 'UTC') ELSE bucket END AS bucket, kind,
                    CASE WHEN monthly THEN name ELSE '' END AS name, max(latency_max) AS latency_max
               FROM captured_totals CROSS JOIN (VALUES (false), (true)) AS width (monthly)
              WHERE org_id = $1 AND daily AND shard = $4
                AND bucket >= (SELECT first FROM months) AND bucket < (SELECT last FROM months)
              GROUP BY 1, 2, 3, 4
         ), seen AS (
             SELECT s.monthly, s.bucket, s.kind, s.name, s.events, s.errors, s.latency_ms, f.latency_max
               FROM captured_sums s JOIN folded f USING (monthly, bucket, kind, name)
              WHERE s.org_id = $1 AND s.latency_max > f.latency_max
         )
         UPDATE captured_sums s SET latency_max = seen.latency_max
           FROM seen
          WHERE s.org_id = $1 AND s.monthly = seen.monthly AND s.bucket = seen.bucket AND s.kind = seen.kind
            AND s.name = seen.name
            AND s.events = seen.events AND s.errors = seen.errors AND s.latency_ms = seen.latency_ms",
        org.0,
        days.from,
        days.until,
        FOLDED
    )
    .execute(connection)
    .await?;
    Ok(settled.rows_affected())
}
