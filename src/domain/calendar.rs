//! The moments that every reader can write: from the beginning of 1970 to the end of the year 9999.
//!
//! Postgres' calendar ends before chrono's, and ISO 8601 writes years with four digits.

use chrono::DateTime;

use super::Timestamp;

/// Milliseconds from 1970 to the end of the year 9999.
pub const LAST_MILLISECOND: i64 = 253_402_300_799_999;

/// Returns the moment so many milliseconds after 1970, up to the year 9999.
#[must_use]
pub fn moment_at(milliseconds: i64) -> Option<Timestamp> {
    let milliseconds = Some(milliseconds).filter(|ms| (0..=LAST_MILLISECOND).contains(ms))?;
    DateTime::from_timestamp_millis(milliseconds)
}

/// Returns the last moment of the year 9999.
#[must_use]
pub fn last_moment() -> Timestamp {
    DateTime::from_timestamp_millis(LAST_MILLISECOND).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_ends_with_the_year_9999() {
        assert_eq!(last_moment().to_rfc3339(), "9999-12-31T23:59:59.999+00:00");
        assert_eq!(moment_at(LAST_MILLISECOND), Some(last_moment()));
        assert_eq!(moment_at(LAST_MILLISECOND + 1), None);
        assert_eq!(moment_at(0), Some(DateTime::UNIX_EPOCH));
        assert_eq!(moment_at(-1), None);
    }
}
