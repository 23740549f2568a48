//! The time and the latency of a span.

use super::super::contract::{filed, moment_at};
use crate::domain::{CaptureFacts, Timestamp};

/// The times of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub at: Timestamp,
    /// Unix time in milliseconds as it was sent, if the span is listed under its arrival instead.
    pub claimed_timestamp: Option<i64>,
    pub latency_ms: i64,
    /// Whether the latency counts in averages.
    pub is_timed: bool,
    /// Whether the span has an end.
    pub has_ended: bool,
}

impl Times {
    /// Reads the times of a span that arrives at `now`.
    pub fn of(start: u64, end: u64, now: Timestamp) -> Self {
        let started = millisecond(start).and_then(moment_at);
        let (at, claimed_timestamp) = filed(started.unwrap_or(now), now);
        let latency = latency(start, end, now);
        Self {
            at,
            claimed_timestamp,
            latency_ms: latency.unwrap_or_default(),
            is_timed: latency.is_some_and(CaptureFacts::is_plausible),
            has_ended: end != 0,
        }
    }
}

/// The unit of a Unix time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

impl Unit {
    /// Returns the unit of a time after March 1973, which its size determines because the units differ by a factor of a
    /// thousand. Returns `None` for any other number.
    fn of(time: u64) -> Option<Self> {
        match time {
            0..100_000_000 => None,
            100_000_000..100_000_000_000 => Some(Self::Second),
            100_000_000_000..100_000_000_000_000 => Some(Self::Millisecond),
            100_000_000_000_000..100_000_000_000_000_000 => Some(Self::Microsecond),
            _ => Some(Self::Nanosecond),
        }
    }

    fn milliseconds(self, time: u64) -> u64 {
        match self {
            Self::Second => time * 1_000,
            Self::Millisecond => time,
            Self::Microsecond => time / 1_000,
            Self::Nanosecond => time / 1_000_000,
        }
    }
}

/// Returns a time of any unit in Unix milliseconds, or `None` if it is not a time.
pub fn millisecond(time: u64) -> Option<i64> {
    i64::try_from(Unit::of(time)?.milliseconds(time)).ok()
}

/// Returns the latency of a span in milliseconds, or `None` if its times are not valid: one is missing, the units
/// differ, or the end is before the start or in the future, as after an overflow.
fn latency(start: u64, end: u64, now: Timestamp) -> Option<i64> {
    let unit = Unit::of(start)?;
    let ended = moment_at(millisecond(end)?)?;
    let is_past = filed(ended, now).1.is_none();
    if Unit::of(end) != Some(unit) || !is_past {
        return None;
    }
    i64::try_from(unit.milliseconds(end.checked_sub(start)?)).ok()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const NOW: i64 = 1_777_453_200_000;
    const NANOS: u64 = NOW as u64 * 1_000_000;
    const HOUR: u64 = 3_600_000_000_000;

    fn now() -> Timestamp {
        DateTime::from_timestamp_millis(NOW).unwrap()
    }

    #[test]
    fn durations_that_do_not_fit_are_none() {
        for (name, start, end, latency, is_timed) in [
            ("a second", NANOS - 1_000_000_000, NANOS, 1_000, true),
            ("nothing", NANOS, NANOS, 0, true),
            ("a day", NANOS - 24 * HOUR, NANOS, 86_400_000, true),
            ("more than a day", NANOS - 25 * HOUR, NANOS, 90_000_000, false),
            ("backwards", NANOS, NANOS - 1, 0, false),
            ("no end", NANOS, 0, 0, false),
            ("no start", 0, NANOS, 0, false),
            ("neither", 0, 0, 0, false),
            ("wrapped around", NANOS, u64::MAX - 181_000, 0, false),
            ("an end in a year", NANOS, NANOS + 8_760 * HOUR, 0, false),
            ("seconds", NOW as u64 / 1_000 - 3, NOW as u64 / 1_000, 3_000, true),
            ("milliseconds", NOW as u64 - 3, NOW as u64, 3, true),
            ("microseconds", NOW as u64 * 1_000 - 3_000, NOW as u64 * 1_000, 3, true),
            ("two units", NOW as u64, NANOS, 0, false),
            ("nonsense", 5, 7, 0, false),
        ] {
            let times = Times::of(start, end, now());
            assert_eq!((times.latency_ms, times.is_timed), (latency, is_timed), "{name}");
        }
    }

    #[test]
    fn a_start_of_any_unit_is_listed_at_its_time_and_never_in_1970_or_ahead() {
        let ms = NOW as u64 - 60_000;
        for start in [ms / 1_000, ms, ms * 1_000, ms * 1_000_000] {
            let times = Times::of(start, 0, now());
            assert_eq!((times.at.timestamp_millis(), times.claimed_timestamp), (NOW - 60_000, None), "{start}");
        }
        for start in [0, 1, 99_999_999] {
            assert_eq!(Times::of(start, 0, now()).at, now(), "{start}");
        }
        let ahead = NANOS + 25 * HOUR;
        let times = Times::of(ahead, ahead + 1, now());
        assert_eq!((times.at.timestamp_millis(), times.claimed_timestamp), (NOW - 60_000, Some(NOW + 90_000_000)));
        assert_eq!(Times::of(NANOS + 23 * HOUR, 0, now()).claimed_timestamp, None);
    }
}
