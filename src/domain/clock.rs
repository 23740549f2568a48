//! The only module that reads the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

use super::Timestamp;

/// The source of time: the system clock, or a manual clock for tests.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Returns the system clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that stays at `start` until [`Clock::advance`] moves it. Clones move together.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.timestamp_millis()))))
    }

    /// Returns the current time, truncated to milliseconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let milliseconds = match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock that the ban points to")]
            Source::System => Utc::now().timestamp_millis(),
            Source::Manual(now) => now.load(Ordering::Acquire),
        };
        DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH)
    }

    /// Moves a manual clock. Does nothing to the system clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(by.num_milliseconds(), Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(Duration::minutes(3));
        assert_eq!(other.now().timestamp_millis(), 180_000);
    }

    #[test]
    fn the_system_clock_has_whole_milliseconds() {
        assert_eq!(Clock::system().now().timestamp_subsec_nanos() % 1_000_000, 0);
    }
}
