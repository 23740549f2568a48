//! A caller's rate limit, as the response headers show it.

use crate::domain::Timestamp;

/// The state of a caller's limit after this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStatus {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until a request is possible again (if none remain) or until the full limit is available (otherwise).
    pub resets_in: u32,
    pub resets_at: Timestamp,
}
