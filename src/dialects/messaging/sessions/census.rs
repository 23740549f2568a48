//! What lists and counts look at.

use chrono::Duration;

use crate::dialects::messaging::sessions::timeouts::LONGEST_DURATION_MINUTES;
use crate::domain::{DialectName, Timestamp};
use crate::store::Among;

/// Where a session's detail keeps the minutes of its warning.
pub(in crate::dialects::messaging) const WARNING: [&str; 2] = ["timeoutConfig", "warningThresholdMinutes"];

/// Every session that can be alive, under whatever settings it was made.
pub(in crate::dialects::messaging) fn everyone(now: Timestamp) -> Among {
    Among { dialect: DialectName::Messaging, now, since: now - Duration::minutes(LONGEST_DURATION_MINUTES) }
}
