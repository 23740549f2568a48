//! What lists and counts look at.

use chrono::Duration;

use super::timeouts::LONGEST_DURATION_MINUTES;
use crate::domain::{DialectName, Timestamp};
use crate::store::Among;

/// Where a session's detail keeps the minutes of its warning.
pub(super) const WARNING: [&str; 2] = ["timeoutConfig", "warningThresholdMinutes"];

/// Every session that can be alive, under whatever settings it was made.
pub(super) fn everyone(now: Timestamp) -> Among {
    Among { dialect: DialectName::Messaging, now, since: now - Duration::minutes(LONGEST_DURATION_MINUTES) }
}
