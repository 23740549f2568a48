//! How large an export may be.

use super::count::Count;
use crate::auth::Allowance;
use crate::http::{ContentEncoding, PUBLIC_BODY_LIMIT, max_unpacked};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of events that are built before they are written; an event more than that at most.
pub const CHUNK: usize = 4 * MIB;
/// Bytes of a resource's JSON, and of a scope's, both of which are stored with each of their spans.
pub const SHARED_LIMIT: usize = 256 * KIB;
/// Bytes of all resources' and scopes' JSON while an export is read.
pub const SHARED_MEMORY: usize = 16 * MIB;
/// Bytes of memory that are reserved until it is known how many are needed.
const DECODING_MEMORY: usize = 64 * MIB;
/// Copies of the text that are in memory beside what is built of it: packed, unpacked into a buffer that has room for as
/// much again, and mended.
const COPIES: usize = 4;

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

    /// Returns the bytes of memory that a body may need until it is known how many it needs: of its text, and of the
    /// parts that it can have.
    pub fn decoding_memory(self, packed: usize, packing: ContentEncoding) -> usize {
        let unpacked = match packing {
            ContentEncoding::Identity => packed,
            ContentEncoding::Gzip | ContentEncoding::Deflate => max_unpacked(packed).min(self.unpacked),
        };
        (COPIES * unpacked + Count::most(unpacked).memory(unpacked)).min(DECODING_MEMORY)
    }

    pub fn of(allowance: &Allowance) -> Self {
        if allowance.is_public() { Self::PUBLIC } else { Self::OWN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_exports_reserve_little_so_that_large_ones_keep_no_other_waiting() {
        let own = Limits::OWN;
        assert!(own.decoding_memory(1_024, ContentEncoding::Identity) < MIB);
        assert!(own.decoding_memory(64 * KIB, ContentEncoding::Identity) < 32 * MIB);
        for packed in [1, 8 * KIB, MIB, 8 * MIB, usize::MAX / 1024] {
            let plain = own.decoding_memory(packed, ContentEncoding::Identity);
            assert!(
                plain <= own.decoding_memory(packed, ContentEncoding::Gzip) && plain <= DECODING_MEMORY,
                "{packed}"
            );
        }
        assert_eq!(
            own.decoding_memory(8 * MIB, ContentEncoding::Gzip),
            DECODING_MEMORY.min(own.decoding_memory(8 * MIB, ContentEncoding::Identity))
        );
    }
}
