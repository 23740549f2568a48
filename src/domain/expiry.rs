//! Computes when a session expires from its time-out settings.
//!
//! The rules are those of ElizaOS (docs/dialects/messaging.md). All lengths are minutes and may have fractions.

use chrono::Duration;

use super::Timestamp;

/// A session's time-outs, after every default and clamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// Minutes without activity until it expires.
    pub timeout_minutes: f64,
    /// Whether activity restarts the time-out.
    pub auto_renew: bool,
    /// Minutes after its creation beyond which it cannot be renewed.
    pub max_duration_minutes: f64,
    /// Minutes before the end from which it counts as near its expiration.
    pub warning_threshold_minutes: f64,
}

impl Timeouts {
    /// Returns when a session expires that was created at `created_at` and last active at `last_activity`, as of `now`.
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

    /// Returns whether `remaining` milliseconds are within the warning threshold. A session without any left is
    /// expired, not near its expiration.
    #[must_use]
    pub fn is_near_expiration(&self, remaining: i64) -> bool {
        remaining > 0 && remaining as f64 <= self.warning_threshold_minutes * 60_000.0
    }
}

/// The times of a session from which its expiry follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub created_at: Timestamp,
    pub last_activity: Timestamp,
    pub renewals: u64,
    pub expires_at: Timestamp,
}

impl Lifetime {
    /// Returns the lifetime of a session that begins now.
    #[must_use]
    pub fn begin(timeouts: &Timeouts, now: Timestamp) -> Self {
        let expires_at = timeouts.expires_at(now, now, now);
        Self { created_at: now, last_activity: now, renewals: 0, expires_at }
    }

    /// Records activity, and renews the session if it renews itself. Returns whether it was renewed.
    ///
    /// A renewal close to the maximum duration counts although it gains no time.
    pub fn touch(&mut self, timeouts: &Timeouts, now: Timestamp) -> bool {
        let now = now.max(self.last_activity);
        if !timeouts.auto_renew {
            self.last_activity = now;
            return false;
        }
        self.renew(timeouts, now)
    }

    /// Restarts the time-out, whether or not the session renews itself. Returns `false` after its maximum duration.
    pub fn renew(&mut self, timeouts: &Timeouts, now: Timestamp) -> bool {
        // Concurrent renewals may be applied out of order, so the time must not go back.
        let now = now.max(self.last_activity);
        if now - self.created_at >= minutes(timeouts.max_duration_minutes) {
            return false;
        }
        self.last_activity = now;
        self.renewals += 1;
        self.expires_at = Timeouts { auto_renew: true, ..*timeouts }.expires_at(self.created_at, now, now);
        true
    }

    /// Applies other time-outs to the session. It may be expired under them.
    pub fn hold_to(&mut self, timeouts: &Timeouts, now: Timestamp) {
        self.expires_at = timeouts.expires_at(self.created_at, self.last_activity, now);
    }
}

/// Returns the whole milliseconds until `expires_at`, never below zero.
#[must_use]
pub fn remaining(expires_at: Timestamp, now: Timestamp) -> i64 {
    (expires_at - now).num_milliseconds().max(0)
}

/// Returns a duration of minutes, truncated to milliseconds as in JavaScript's `Date`.
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

        /// A session never outlives its maximum duration.
        #[test]
        fn no_renewal_reaches_past_the_longest_duration(
            timeout in 1.0..3_000.0,
            auto_renew: bool,
            max in 1.0..3_000.0,
            steps in prop::collection::vec((any::<bool>(), 0i64..10_000_000), 0..20),
        ) {
            let timeouts = timeouts(timeout, auto_renew, max);
            let mut lifetime = Lifetime::begin(&timeouts, at(0));
            let (mut now, mut renewals) = (0, 0);
            for (by_hand, later) in steps {
                now += later;
                if at(now) >= lifetime.expires_at {
                    break;
                }
                let before = lifetime;
                let renewed =
                    if by_hand { lifetime.renew(&timeouts, at(now)) } else { lifetime.touch(&timeouts, at(now)) };
                renewals += u64::from(renewed);
                prop_assert_eq!(renewed, by_hand || auto_renew);
                prop_assert!(lifetime.expires_at <= at((max * 60_000.0) as i64));
                prop_assert!(lifetime.expires_at >= before.expires_at.min(at(now) + minutes(timeout)) || renewed);
                prop_assert_eq!(lifetime.last_activity, at(now));
                prop_assert_eq!(lifetime.renewals, renewals);
            }
        }

        #[test]
        fn near_its_expiration_is_neither_expired_nor_far(left in -10i64..1_000_000) {
            let near = timeouts(30.0, true, 720.0).is_near_expiration(left);
            prop_assert_eq!(near, (1..=300_000).contains(&left));
        }
    }
}
