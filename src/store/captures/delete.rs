//! Deletes captured events and keeps the totals correct.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::rebuild::{Days, lower_maxima, settle_sums};
use super::recount;
use super::search::blocks::dissolve;
use crate::domain::{OrgId, Timestamp};

/// Deletes events from what is listed and counted, and subtracts them from the totals in the same transaction. Returns
/// how many there were. Their contents are in `session_events`, which the caller deletes.
pub(in crate::store) async fn delete(
    connection: &mut PgConnection,
    org: OrgId,
    events: &[Uuid],
) -> Result<u64, sqlx::Error> {
    let times = remove(connection, org, events).await?;
    let days: BTreeSet<Timestamp> = times.iter().map(|at| Days::of(*at).from).collect();
    for day in days {
        lower_maxima(connection, org, Days::of(day)).await?;
        settle_sums(connection, org, Days::of(day)).await?;
    }
    Ok(times.len() as u64)
}

/// Deletes events like [`delete`], but leaves the longest latencies of their days to the worker that looks them up,
/// because it reads all events of a day. Returns how many events there were.
pub(in crate::store) async fn delete_and_note(
    connection: &mut PgConnection,
    org: OrgId,
    events: &[Uuid],
) -> Result<u64, sqlx::Error> {
    if events.is_empty() {
        return Ok(0);
    }
    let times = remove(connection, org, events).await?;
    let days: BTreeSet<(OrgId, Timestamp)> = times.iter().map(|at| (org, Days::of(*at).from)).collect();
    recount::note(connection, &days.into_iter().collect::<Vec<_>>()).await?;
    Ok(times.len() as u64)
}

/// Deletes events, and subtracts them from the totals and the search index. Returns their times.
async fn remove(connection: &mut PgConnection, org: OrgId, events: &[Uuid]) -> Result<Vec<Timestamp>, sqlx::Error> {
    let deleted = sqlx::query!(
        r#"WITH deleted AS (
             DELETE FROM captured_events WHERE org_id = $1 AND event_id = ANY ($2)
             RETURNING event_id, at, kind, name, success, latency_ms, untimed
         ), counted AS (
             SELECT daily, date_trunc(CASE WHEN daily THEN 'day' ELSE 'hour' END, at, 'UTC') AS bucket, kind, name,
                    count(*) AS events, count(*) FILTER (WHERE NOT success) AS errors,
                    count(*) FILTER (WHERE untimed) AS untimed,
                    COALESCE(sum(latency_ms) FILTER (WHERE NOT untimed), 0) AS latency_ms
               FROM deleted CROSS JOIN (VALUES (false), (true)) AS width (daily) GROUP BY 1, 2, 3, 4
         ), subtracted AS (
             INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, untimed,
                                               latency_ms, latency_max)
             SELECT $1, daily, bucket, kind, name, (pg_backend_pid() % 32)::smallint, -events, -errors, -untimed,
                    -latency_ms, 0
               FROM counted ORDER BY daily, bucket, kind, name
                 ON CONFLICT (org_id, daily, bucket, kind, name, shard)
                 DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                               untimed = t.untimed + EXCLUDED.untimed,
                               latency_ms = t.latency_ms + EXCLUDED.latency_ms
         ), spans AS (
             DELETE FROM captured_spans WHERE org_id = $1 AND event_id = ANY ($2) RETURNING trace_id
         ), traces AS (
             DELETE FROM captured_traces t USING (SELECT DISTINCT trace_id FROM spans) gone
              WHERE t.org_id = $1 AND t.trace_id = gone.trace_id
                AND NOT EXISTS (SELECT FROM captured_spans s
                                 WHERE s.org_id = $1 AND s.trace_id = gone.trace_id AND s.event_id <> ALL ($2))
         )
         SELECT event_id, at FROM deleted"#,
        org.0,
        events
    )
    .fetch_all(&mut *connection)
    .await?;
    if deleted.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, times): (Vec<Uuid>, Vec<Timestamp>) = deleted.iter().map(|row| (row.event_id, row.at)).unzip();
    dissolve(connection, org, &ids, &times).await?;
    Ok(times)
}
