//! How large an export may be.

use crate::auth::Allowance;
use crate::http::PUBLIC_BODY_LIMIT;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of events that are built before they are written; an event more than that at most.
pub const CHUNK: usize = 4 * MIB;
/// Bytes of a resource's JSON, and of a scope's, both of which are stored with each of their spans.
pub const SHARED_LIMIT: usize = 256 * KIB;
/// Bytes of all resources' and scopes' JSON while an export is read.
pub const SHARED_MEMORY: usize = 16 * MIB;
/// Bytes of memory that are reserved until it is known how many are needed.
pub const DECODING_MEMORY: usize = 64 * MIB;

/// What one export may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body.
    pub packed: usize,
    /// Bytes of it once it is unpacked.
    pub unpacked: usize,
    /// Bytes of all events that are stored of it.
    pub stored: usize,
}

impl Limits {
    /// What a credential may send.
    const OWN: Self = Self { packed: 8 * MIB, unpacked: 8 * MIB, stored: 64 * MIB };
    /// What may be sent with `x-org-id` alone. Exports pack to about a tenth, so that what fits packed fits unpacked.
    const PUBLIC: Self = Self { packed: PUBLIC_BODY_LIMIT, unpacked: 2 * MIB, stored: 8 * MIB };

    pub fn of(allowance: &Allowance) -> Self {
        if allowance.is_public() { Self::PUBLIC } else { Self::OWN }
    }
}
