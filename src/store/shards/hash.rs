//! The hash of an organization's UUID, by which a distributed table assigns its rows to shards.

use uuid::Uuid;

/// Returns what Postgres' `uuid_hash` returns: Bob Jenkins' lookup3 with the initial values of `hash_bytes`
/// (src/common/hashfn.c). It is computed here, because the shard of an organization must be known without asking a
/// node.
pub(super) fn uuid_hash(id: Uuid) -> i32 {
    const BYTES: u32 = 16;
    let start = 0x9e37_79b9_u32.wrapping_add(BYTES).wrapping_add(3_923_095);
    let bytes = id.as_bytes();
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (mut a, mut b, mut c) = (start.wrapping_add(word(0)), start.wrapping_add(word(4)), start.wrapping_add(word(8)));
    mix(&mut a, &mut b, &mut c);
    a = a.wrapping_add(word(12));
    finish(a, b, c).cast_signed()
}

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    // Each step changes the next of the three words.
    for turns in [4, 6, 8, 16, 19, 4] {
        *a = a.wrapping_sub(*c) ^ c.rotate_left(turns);
        *c = c.wrapping_add(*b);
        (*a, *b, *c) = (*b, *c, *a);
    }
}

fn finish(mut a: u32, mut b: u32, mut c: u32) -> u32 {
    for turns in [14, 11, 25, 16, 4, 14, 24] {
        c = (c ^ b).wrapping_sub(b.rotate_left(turns));
        (a, b, c) = (b, c, a);
    }
    // After seven steps the word that was last changed is in `b`.
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_postgres() {
        // SELECT uuid_hash('…')
        for (id, hash) in [
            ("00000000-0000-0000-0000-000000000000", 1_353_656_403),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", -682_383_255),
            ("00000000-0000-4000-8000-000000000001", -1_360_508_440),
            ("eed3698a-01f0-44c3-b9c0-8a81b46257ec", 1_798_792_419),
        ] {
            assert_eq!(uuid_hash(id.parse().unwrap()), hash, "{id}");
        }
    }
}
