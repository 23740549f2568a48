//! When a session's time runs out: pure arithmetic over the time-out settings of a conversation.
//!
//! The rules are ElizaOS's (apis/messaging, section 3). All lengths are minutes and may have fractions.

use chrono::Duration;

use super::Timestamp;

/// How long a session lives, after every default and clamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// Minutes without activity until it expires.
    pub timeout_minutes: f64,
    /// Whether activity starts the time-out anew.
    pub auto_renew: bool,
    /// Minutes from its creation past which nothing renews it.
    pub max_duration_minutes: f64,
    /// Minutes before the end in which it counts as near its expiration.
    pub warning_threshold_minutes: f64,
}

impl Timeouts {
    /// When a session that was made at `created_at` and last active at `last_activity` expires, seen from `now`.
    #[must_use]
    pub fn expires_at(&self, created_at: Timestamp, last_activity: Timestamp, now: Timestamp) -> Timestamp {
        let (timeout, longest) = (minutes(self.timeout_minutes), minutes(self.max_duration_minutes));
        if now - created_at + timeout > longest {
            created_at + longest
        } else if self.auto_renew {
            last_activity + timeout
        } else {
            created_at + timeout
        }
    }

    /// Whether `remaining` milliseconds are few enough to warn of; none left is expired, not near it.
    #[must_use]
    pub fn is_near_expiration(&self, remaining: i64) -> bool {
        remaining > 0 && remaining as f64 <= self.warning_threshold_minutes * 60_000.0
    }
}

/// Whole milliseconds left until `expires_at`, never below zero.
#[must_use]
pub fn remaining(expires_at: Timestamp, now: Timestamp) -> i64 {
    (expires_at - now).num_milliseconds().max(0)
}

/// A length from minutes, cut to whole milliseconds as JavaScript's `Date` does.
fn minutes(count: f64) -> Duration {
    Duration::milliseconds((count * 60_000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    fn at(milliseconds: i64) -> Timestamp {
        DateTime::from_timestamp_millis(milliseconds).unwrap()
    }

    fn timeouts(timeout: f64, auto_renew: bool, max: f64) -> Timeouts {
        Timeouts { timeout_minutes: timeout, auto_renew, max_duration_minutes: max, warning_threshold_minutes: 5.0 }
    }

    #[test]
    fn the_longest_duration_wins() {
        assert_eq!(timeouts(1440.0, true, 720.0).expires_at(at(0), at(0), at(0)), at(720 * 60_000));
        assert_eq!(timeouts(722.0, true, 722.0).expires_at(at(0), at(0), at(0)), at(722 * 60_000));
    }

    #[test]
    fn only_a_renewing_session_counts_from_its_last_activity() {
        let now = at(10 * 60_000);
        assert_eq!(timeouts(30.0, true, 720.0).expires_at(at(0), now, now), at(40 * 60_000));
        assert_eq!(timeouts(30.0, false, 720.0).expires_at(at(0), now, now), at(30 * 60_000));
    }

    #[test]
    fn fractions_of_a_minute_count() {
        assert_eq!(timeouts(7.5, true, 720.0).expires_at(at(0), at(0), at(0)), at(450_000));
    }

    proptest! {
        #[test]
        fn nothing_outlives_its_longest_duration(
            timeout in 0.0..3_000.0, auto_renew: bool, max in 0.0..3_000.0, activity in 0i64..100_000_000, later in 0i64..100_000_000,
        ) {
            let expires = timeouts(timeout, auto_renew, max).expires_at(at(0), at(activity), at(activity + later));
            prop_assert!(expires <= at((max * 60_000.0) as i64).max(at(activity) + minutes(timeout)));
            let fresh = timeouts(timeout, auto_renew, max).expires_at(at(0), at(0), at(0));
            prop_assert!(fresh <= at((max * 60_000.0) as i64));
        }

        #[test]
        fn near_its_expiration_is_neither_expired_nor_far(left in -10i64..1_000_000) {
            let near = timeouts(30.0, true, 720.0).is_near_expiration(left);
            prop_assert_eq!(near, (1..=300_000).contains(&left));
        }
    }
}
