//! The limits of an export.

use super::count::Count;
use crate::auth::Allowance;
use crate::http::{ContentEncoding, PUBLIC_BODY_LIMIT, max_unpacked};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of events that are built before they are written. They may exceed this by one event.
pub const CHUNK: usize = 4 * MIB;
/// Bytes of a resource's JSON, and of a scope's, both of which are stored with each of their spans.
pub const SHARED_LIMIT: usize = 256 * KIB;
/// Bytes of all resources' and scopes' JSON while an export is read.
pub const SHARED_MEMORY: usize = 16 * MIB;
/// Bytes of memory that are reserved until the number that is needed is known.
const DECODING_MEMORY: usize = 64 * MIB;
/// Copies of the text that are in memory in addition to what is built from it: packed, unpacked into a buffer that may
/// be twice as large, and with invalid characters replaced.
const COPIES: usize = 4;

/// The limits of one export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body.
    pub packed: usize,
    /// Bytes of the unpacked body.
    pub unpacked: usize,
    /// Bytes of all events that are stored from it.
    pub stored: usize,
}

impl Limits {
    /// The limits with a credential.
    const OWN: Self = Self { packed: 8 * MIB, unpacked: 8 * MIB, stored: 64 * MIB };
    /// The limits with `x-org-id` alone. An export that fits packed also fits unpacked, because exports pack to about a
    /// tenth.
    const PUBLIC: Self = Self { packed: PUBLIC_BODY_LIMIT, unpacked: 2 * MIB, stored: 8 * MIB };

    /// Returns an upper bound of the memory in bytes that a body needs while it is read: for its text, and for the
    /// parts that it can have.
    pub fn decoding_memory(self, packed: usize, packing: ContentEncoding) -> usize {
        let unpacked = match packing {
            ContentEncoding::Identity => packed,
            ContentEncoding::Gzip | ContentEncoding::Deflate => max_unpacked(packed).min(self.unpacked),
        };
        (COPIES * unpacked + Count::largest(unpacked).memory(unpacked)).min(DECODING_MEMORY)
    }

    pub fn of(allowance: &Allowance) -> Self {
        if allowance.is_public() { Self::PUBLIC } else { Self::OWN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_exports_reserve_little_memory() {
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
