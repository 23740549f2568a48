//! The sessions that lists and counts search.

use chrono::Duration;

use crate::dialects::messaging::sessions::timeouts::LONGEST_DURATION_MINUTES;
use crate::domain::{DialectName, Timestamp};
use crate::store::Among;

/// The path of the warning threshold, in minutes, in a session's detail.
pub(in crate::dialects::messaging) const WARNING: [&str; 2] = ["timeoutConfig", "warningThresholdMinutes"];

/// Returns the range of all sessions that can still be open, whatever their settings.
pub(in crate::dialects::messaging) fn all_open(now: Timestamp) -> Among {
    Among { dialect: DialectName::Messaging, now, since: now - Duration::minutes(LONGEST_DURATION_MINUTES) }
}
