//! Figures from totals.
//!
//! Events are summed up when they are written ([`super::add`]), per hour and per day in `captured_totals`. Totals of
//! past buckets are folded ([`super::fold`]) and added to sums per day and kind and per month, kind and name in
//! `captured_sums`. Each statement here adds up the parts of the window, widest buckets first, and reads single events
//! for the hour in which the window begins. Because it is one statement it sees one snapshot, so that nothing is
//! counted twice during folding.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{Datelike, DurationRound, Months, NaiveTime, TimeDelta};
use futures::TryStreamExt;
use sqlx::PgConnection;

use super::CaptureFilter;
use super::figure::{FIGURE_BYTES, Figure, Grain, MAX_FIGURES, Read};
use crate::domain::{OrgId, Timestamp, calendar};
use crate::store::bytes::{self, Page, Weighed, json_bytes};

/// Limit of totals of one width for one response; the newest are read. Only an organization with a different name for
/// nearly every event has more.
const MAX_TOTALS: i64 = 150_000;

/// For each width, the start of the first bucket that is completely in the window.
struct Edges {
    hour: Timestamp,
    day: Timestamp,
    month: Timestamp,
}

impl Edges {
    fn of(since: Timestamp) -> Self {
        let hour = ceiling(since, TimeDelta::hours(1));
        let day = ceiling(hour, TimeDelta::days(1));
        let last = end_of_time();
        Self { hour: hour.min(last), day: day.min(last), month: month_from(day).unwrap_or(last).min(last) }
    }
}

/// Returns a moment after every event, since none may be later than the year 9999.
fn end_of_time() -> Timestamp {
    calendar::last_moment() + TimeDelta::milliseconds(1)
}

fn ceiling(at: Timestamp, width: TimeDelta) -> Timestamp {
    match at.duration_trunc(width) {
        Ok(floor) if floor < at => floor + width,
        _ => at,
    }
}

/// Returns the first moment of a month at or after the beginning of a day.
fn month_from(day: Timestamp) -> Option<Timestamp> {
    let first = day.date_naive().with_day(1)?.and_time(NaiveTime::MIN).and_utc();
    if first == day { Some(first) } else { first.checked_add_months(Months::new(1)) }
}

/// A figure, and the number of rows that it sums up.
struct TotalsRow {
    bucket: Timestamp,
    kind: String,
    name: String,
    events: i64,
    errors: i64,
    untimed: i64,
    latency_ms: f64,
    latency_max: i64,
    parts: i64,
}

impl Weighed for TotalsRow {
    fn text_bytes(&self) -> usize {
        json_bytes(&self.kind) + json_bytes(&self.name)
    }
}

impl TotalsRow {
    fn figure(self) -> Figure {
        let Self { bucket, kind, name, events, errors, untimed, latency_ms, latency_max, parts: _ } = self;
        Figure { bucket, kind, name, events, errors, untimed, latency_ms, latency_max }
    }
}

/// Sums up the parts of the window: `$parts` are joined by UNION ALL and have the columns of a total.
macro_rules! summed {
    ($connection:expr, $bucket:literal, $name:literal, $parts:literal, $order:literal, $org:expr, $filter:expr,
     $edges:expr $(, $more:expr)*) => {{
        let (filter, edges): (&CaptureFilter, &Edges) = ($filter, $edges);
        let rows = sqlx::query_as!(
            TotalsRow,
            "SELECT " + $bucket + r#" AS "bucket!", kind AS "kind!", "# + $name + r#" AS "name!",
                    sum(events)::bigint AS "events!", sum(errors)::bigint AS "errors!",
                    sum(untimed)::bigint AS "untimed!",
                    sum(latency_ms::float8) AS "latency_ms!", max(latency_max) AS "latency_max!", count(*) AS "parts!"
               FROM ("# + $parts + r#"
                     UNION ALL
                     SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_totals
                      WHERE org_id = $1 AND NOT daily AND bucket >= $3 AND bucket < $4
                        AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
                     UNION ALL
                     SELECT date_trunc('hour', at, 'UTC'), kind, name, count(*), count(*) FILTER (WHERE NOT success),
                            count(*) FILTER (WHERE untimed), COALESCE(sum(latency_ms) FILTER (WHERE NOT untimed), 0),
                            COALESCE(max(latency_ms) FILTER (WHERE NOT untimed), 0)
                       FROM captured_events
                      WHERE org_id = $1 AND at >= $2 AND at < $3
                        AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
                      GROUP BY 1, 2, 3) parts (at, kind, name, events, errors, untimed, latency_ms,
                                                     latency_max)
              GROUP BY 1, 2, 3 HAVING sum(events) > 0 ORDER BY "# + $order + " LIMIT $6",
            $org.0,
            filter.since,
            edges.hour,
            edges.day,
            &filter.names,
            MAX_FIGURES
            $(, $more)*
        );
        let Page { rows, cut } = bytes::page(rows.fetch($connection), FIGURE_BYTES).await?;
        // Of the widest buckets at most this many rows are read, so with fewer rows the result is complete.
        let complete = rows.iter().map(|row| row.parts).sum::<i64>() < MAX_TOTALS;
        let rows = rows.into_iter().map(TotalsRow::figure).collect();
        Ok(Read { page: Page { rows, cut }, complete })
    }};
}

/// Returns the sums per day and kind.
pub(super) async fn by_day(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
) -> Result<Read, sqlx::Error> {
    summed!(
        connection,
        "date_trunc('day', at, 'UTC')",
        "''",
        "SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_sums
          WHERE org_id = $1 AND NOT monthly AND bucket >= $4 AND cardinality($5::text[]) = 0
         UNION ALL
         SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_totals
          WHERE org_id = $1 AND daily AND bucket >= $4 AND shard >= 0 AND cardinality($5::text[]) = 0
         UNION ALL
         SELECT * FROM (SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_totals
                         WHERE org_id = $1 AND daily AND bucket >= $4 AND cardinality($5::text[]) > 0
                           AND name = ANY ($5)
                         ORDER BY bucket DESC LIMIT $7) named",
        "1 DESC, 2",
        org,
        filter,
        &Edges::of(filter.since),
        MAX_TOTALS
    )
}

/// Returns the sums per kind and name, the most frequent first.
pub(super) async fn by_name(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
) -> Result<Read, sqlx::Error> {
    let edges = Edges::of(filter.since);
    summed!(
        connection,
        "$2::timestamptz",
        "name",
        "SELECT * FROM (SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_sums
                         WHERE org_id = $1 AND monthly AND bucket >= $7
                           AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
                         ORDER BY bucket DESC LIMIT $8) months
         UNION ALL
         SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_totals
          WHERE org_id = $1 AND daily AND bucket >= $7 AND shard >= 0
            AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
         UNION ALL
         SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max FROM captured_totals
          WHERE org_id = $1 AND daily AND bucket >= $4 AND bucket < $7
            AND (cardinality($5::text[]) = 0 OR name = ANY ($5))",
        "4 DESC, 2, 3",
        org,
        filter,
        &edges,
        edges.month,
        MAX_TOTALS
    )
}

/// Returns the sums per hour or day, kind and name, newest first.
///
/// A folded total is already a figure, so the totals are added up here: in Postgres, aggregating into as many groups as
/// there are rows would take most of the time.
pub(super) async fn over_time(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    grain: Grain,
) -> Result<Read, sqlx::Error> {
    let mut edges = Edges::of(filter.since);
    if grain == Grain::Hour {
        // Hours cannot be read from days.
        edges.day = end_of_time();
    }
    let mut rows = sqlx::query_as!(
        TotalsRow,
        r#"SELECT date_trunc($6, bucket, 'UTC') AS "bucket!", kind AS "kind!", name AS "name!", events AS "events!",
                  errors AS "errors!", untimed AS "untimed!", latency_ms::float8 AS "latency_ms!", latency_max AS "latency_max!",
                  1::bigint AS "parts!"
             FROM (SELECT * FROM (SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max
                                    FROM captured_totals
                                   WHERE org_id = $1 AND daily AND bucket >= $4
                                     AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
                                   ORDER BY bucket DESC LIMIT $7) days
                   UNION ALL
                   SELECT * FROM (SELECT bucket, kind, name, events, errors, untimed, latency_ms, latency_max
                                    FROM captured_totals
                                   WHERE org_id = $1 AND NOT daily AND bucket >= $3 AND bucket < $4
                                     AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
                                   ORDER BY bucket DESC LIMIT $7) hours
                   UNION ALL
                   SELECT date_trunc('hour', at, 'UTC'), kind, name, count(*), count(*) FILTER (WHERE NOT success),
                          count(*) FILTER (WHERE untimed), COALESCE(sum(latency_ms) FILTER (WHERE NOT untimed), 0),
                          COALESCE(max(latency_ms) FILTER (WHERE NOT untimed), 0)
                     FROM captured_events
                    WHERE org_id = $1 AND at >= $2 AND at < $3
                      AND (cardinality($5::text[]) = 0 OR name = ANY ($5))
                    GROUP BY 1, 2, 3) parts"#,
        org.0,
        filter.since,
        edges.hour,
        edges.day,
        &filter.names,
        grain.unit(),
        MAX_TOTALS
    )
    .fetch(connection);
    let mut figures: BTreeMap<(Reverse<Timestamp>, String, String), Figure> = BTreeMap::new();
    let (mut parts, mut bytes, mut cut) = (0, 0, false);
    while let Some(row) = rows.try_next().await? {
        parts += row.parts;
        let weight = row.weight();
        let figure = row.figure();
        match figures.entry((Reverse(figure.bucket), figure.kind.clone(), figure.name.clone())) {
            Entry::Occupied(mut sum) => sum.get_mut().add(&figure),
            Entry::Vacant(_) if bytes + weight > FIGURE_BYTES => {
                cut = true;
                break;
            }
            Entry::Vacant(vacant) => {
                bytes += weight;
                vacant.insert(figure);
            }
        }
    }
    let mut rows: Vec<Figure> = figures.into_values().filter(|figure| figure.events > 0).collect();
    rows.truncate(MAX_FIGURES as usize);
    Ok(Read { page: Page { rows, cut }, complete: parts < MAX_TOTALS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_width_begins_where_the_window_has_whole_ones() {
        for (since, hour, day, month) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("2026-11-30T22:59:59.999Z", "2026-11-30T23:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-11-30T23:00:00.001Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12-01T00:00:01Z", "2026-12-01T01:00:00Z", "2026-12-02T00:00:00Z", "2027-01-01T00:00:00Z"),
        ] {
            let at = |text: &str| text.parse::<Timestamp>().unwrap();
            let edges = Edges::of(at(since));
            assert_eq!((edges.hour, edges.day, edges.month), (at(hour), at(day), at(month)), "{since}");
        }
    }
}
