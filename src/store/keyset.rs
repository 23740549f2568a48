//! Cursors of lists.
//!
//! A statement compares rows with the last one of the page before, as in `(created_at, id) < ($1, $2)`. Both parameters
//! always have a value: with `COALESCE($1, 'infinity')` or `$1 IS NULL OR …` Postgres would read an index from its
//! beginning and filter, because under row-level security only comparisons with plain parameters are index conditions.

use chrono::NaiveDate;
use uuid::Uuid;

use crate::domain::Timestamp;

/// Returns `before`, or a value later than every row.
pub(super) fn or_latest(before: Option<(Timestamp, Uuid)>) -> (Timestamp, Uuid) {
    before.unwrap_or((Timestamp::MAX_UTC, Uuid::max()))
}

/// Returns `after`, or a value earlier than every row.
pub(super) fn or_earliest(after: Option<(Timestamp, Uuid)>) -> (Timestamp, Uuid) {
    after.unwrap_or((earliest(), Uuid::nil()))
}

/// Returns a time before that of every row. Times in Postgres begin in 4713 BC.
pub(super) fn earliest() -> Timestamp {
    NaiveDate::from_ymd_opt(-4000, 1, 1).unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc()
}
