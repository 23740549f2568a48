//! How many, how long, how often wrong: per time, kind and name.

use chrono::{DurationRound, TimeDelta};

use super::row::captured;
use super::scan::rows_within_reach;
use super::{CaptureFilter, Captures};
use crate::domain::Timestamp;
use crate::store::bytes::{self, Page, Weighed, json_bytes};
use crate::store::{StoreError, scope};

/// Sums in one answer. Only an organization that gives every event another name has more; then the oldest are missing.
const MOST_SUMS: i64 = 100_000;
/// Bytes of sums in memory. An organization whose events have few names never has as many.
const SUM_BYTES: usize = 16 * 1024 * 1024;

/// The width of the buckets in which events are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Second,
    Minute,
    Hour,
    Day,
}

impl Grain {
    #[must_use]
    pub fn seconds(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// Postgres' word for it.
    fn unit(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// The sums of one bucket, kind and name.
#[derive(Clone, Debug)]
pub struct Figure {
    pub bucket: Timestamp,
    pub kind: String,
    pub name: String,
    pub events: i64,
    pub errors: i64,
    pub latency_ms: f64,
    pub latency_max: i64,
}

impl Weighed for Figure {
    fn text_bytes(&self) -> usize {
        json_bytes(&self.kind) + json_bytes(&self.name)
    }
}

#[derive(Clone, Debug)]
pub struct Figures {
    /// Newest bucket first.
    pub rows: Vec<Figure>,
    /// Whether every event of the window was counted, or only the newest of them that were looked at.
    pub complete: bool,
}

impl Captures<'_> {
    /// The events of a window that fulfil a filter, summed up.
    ///
    /// Totals of whole days and hours are read where they tell enough, and single events for the hour in which the
    /// window begins: the sums are exact, and cost what the window has buckets.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn figures(&self, filter: &CaptureFilter, grain: Grain) -> Result<Figures, StoreError> {
        let by_totals = filter.is_by_name_only() && matches!(grain, Grain::Hour | Grain::Day);
        let mut transaction = scope::begin_pooled(self.0.scans(), self.0.org).await?;
        let reach = rows_within_reach(&mut transaction, self.0.org, filter, false, None).await?;
        let Page { rows, cut } = if by_totals {
            let hour = ceiling(filter.since, TimeDelta::hours(1));
            // Hours of the days that an hourly answer tells apart are read one by one.
            let day = if grain == Grain::Day { ceiling(hour, TimeDelta::days(1)) } else { Timestamp::MAX_UTC };
            let day = day.min(end_of_time());
            let sums = sqlx::query_as!(
                Figure,
                r#"SELECT date_trunc($6, at, 'UTC') AS "bucket!", kind AS "kind!", name AS "name!",
                          sum(events)::bigint AS "events!", sum(errors)::bigint AS "errors!",
                          sum(latency_ms)::float8 AS "latency_ms!", max(latency_max) AS "latency_max!"
                     FROM (SELECT bucket AS at, kind, name, events, errors, latency_ms, latency_max FROM captured_totals
                            WHERE org_id = $1 AND daily AND bucket >= $4
                           UNION ALL
                           SELECT bucket, kind, name, events, errors, latency_ms, latency_max FROM captured_totals
                            WHERE org_id = $1 AND NOT daily AND bucket >= $3 AND bucket < $4
                           UNION ALL
                           SELECT at, kind, name, 1, CASE WHEN success THEN 0 ELSE 1 END, latency_ms, latency_ms
                             FROM captured_events
                            WHERE org_id = $1 AND at >= $2 AND at < $3) parts
                    WHERE cardinality($5::text[]) = 0 OR name = ANY ($5)
                    GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3 LIMIT $7"#,
                self.0.org.0,
                filter.since,
                hour,
                day,
                &filter.names,
                grain.unit(),
                MOST_SUMS
            );
            bytes::page(sums.fetch(&mut *transaction), SUM_BYTES).await?
        } else {
            let sums = captured!(
                Figure,
                r#"SELECT date_trunc($13, at, 'UTC') AS "bucket!", kind AS "kind!", name AS "name!",
                          count(*) AS "events!", count(*) FILTER (WHERE NOT success) AS "errors!",
                          sum(latency_ms)::float8 AS "latency_ms!", max(latency_ms) AS "latency_max!"
                     FROM (SELECT c.*"#,
                "",
                ") c GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3 LIMIT $14",
                self.0.org,
                filter,
                None,
                reach,
                grain.unit(),
                MOST_SUMS
            );
            bytes::page(sums.fetch(&mut *transaction), SUM_BYTES).await?
        };
        if cut {
            return Ok(Figures { rows, complete: false });
        }
        let whole = (rows.len() as i64) < MOST_SUMS;
        let complete = whole && by_totals || {
            let behind = sqlx::query_scalar!(
                r#"SELECT 1 AS "one!" FROM captured_events WHERE org_id = $1 AND at >= $2
                    ORDER BY at DESC, event_id DESC OFFSET $3 LIMIT 1"#,
                self.0.org.0,
                filter.since,
                reach
            )
            .fetch_optional(&mut *transaction)
            .await?;
            whole && behind.is_none()
        };
        transaction.commit().await?;
        Ok(Figures { rows, complete })
    }
}

/// Behind every moment that an event may claim.
fn end_of_time() -> Timestamp {
    Timestamp::from_timestamp(253_402_300_800, 0).unwrap_or_default()
}

fn ceiling(at: Timestamp, width: TimeDelta) -> Timestamp {
    match at.duration_trunc(width) {
        Ok(floor) if floor < at => floor + width,
        _ => at,
    }
}
