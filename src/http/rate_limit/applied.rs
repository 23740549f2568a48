//! The limits that apply to an organization, as its callers are shown them.

use std::num::NonZeroU32;

use super::{CAPTURES, OrgLimits, READS, RateLimiter, WRITES};

/// Requests per minute, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute {
    pub capture: NonZeroU32,
    pub writes: NonZeroU32,
    pub reads: NonZeroU32,
}

/// The limits that apply to an organization, with the deployment's where it has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedLimits {
    /// Those of each key or token.
    pub each: PerMinute,
    /// Those of all of them together.
    pub total: PerMinute,
}

impl RateLimiter {
    /// Returns the limits of an organization's keys and tokens.
    #[must_use]
    pub fn limits_of(&self, org: &OrgLimits) -> AppliedLimits {
        let each = PerMinute {
            capture: org.each.capture.unwrap_or(CAPTURES),
            writes: org.each.writes.unwrap_or(WRITES),
            reads: org.each.reads.unwrap_or(READS),
        };
        let total = |own: Option<NonZeroU32>, each: NonZeroU32| own.unwrap_or(each.saturating_mul(self.total_factor));
        let total = PerMinute {
            capture: total(org.total.capture, each.capture),
            writes: total(org.total.writes, each.writes),
            reads: total(org.total.reads, each.reads),
        };
        AppliedLimits { each, total }
    }
}
