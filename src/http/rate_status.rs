//! What a limit leaves a caller, as the response headers show it.

use crate::domain::Timestamp;

/// The state of a caller's limit after this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStatus {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until a request is possible again (when none remain) or the full limit is (otherwise).
    pub resets_in: u32,
    pub resets_at: Timestamp,
}
