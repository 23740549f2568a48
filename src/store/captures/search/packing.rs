//! The binary format of grams and events.

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::grams::ANY;

/// Bytes of an entry.
pub const ENTRY: usize = 24;
/// Events of a block.
pub const MAX_SLOTS: u32 = 1 << 16;

/// An event of a pending row or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: Uuid,
    pub at: Timestamp,
}

impl Entry {
    pub fn write(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&self.at.timestamp_micros().to_be_bytes());
    }

    /// Reads an entry. Returns `None` if the bytes are not valid.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (id, at) = bytes.split_first_chunk::<16>()?;
        let at = Timestamp::from_timestamp_micros(i64::from_be_bytes(at.try_into().ok()?))?;
        Some(Self { id: Uuid::from_bytes(*id), at })
    }
}

fn write_number(mut number: u32, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u32> {
    let (mut number, mut shift) = (0u32, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Writes an ascending list: its length, and the difference of each number to the one before.
pub fn write_list(list: &[u32], bytes: &mut Vec<u8>) {
    write_number(list.len() as u32, bytes);
    let mut last = 0;
    for number in list {
        write_number(number - last, bytes);
        last = *number;
    }
}

/// Calls `take` with each member of a list. Returns `None` if the bytes are not valid.
fn read_list(bytes: &mut &[u8], mut take: impl FnMut(u32)) -> Option<()> {
    let mut last = 0;
    for _ in 0..read_number(bytes)? {
        last = read_number(bytes)?.checked_add(last)?;
        take(last);
    }
    Some(())
}

/// Returns which of the consecutively written events have all grams of at least one of the searches.
pub fn find_pending(mut bytes: &[u8], searches: &[Vec<u32>]) -> Vec<usize> {
    let (mut found, mut slot) = (Vec::new(), 0);
    while !bytes.is_empty() {
        let mut matched = vec![0; searches.len()];
        let mut is_any = false;
        let read = read_list(&mut bytes, |gram| {
            is_any |= gram == ANY;
            for (search, matched) in searches.iter().zip(&mut matched) {
                // Both lists ascend, so a gram that was passed is missing.
                if search.get(*matched) == Some(&gram) {
                    *matched += 1;
                }
            }
        });
        if read.is_none() {
            break;
        }
        if is_any || searches.iter().zip(&matched).any(|(search, matched)| search.len() == *matched) {
            found.push(slot);
        }
        slot += 1;
    }
    found
}

/// Returns the bucket of a gram. Neighbouring grams share a row, because the overhead of a row is larger than most
/// lists.
pub fn bucket_of(gram: u32) -> u32 {
    gram >> 8
}

/// Returns the buckets of a block in ascending order, each with its grams and the events that have them.
pub fn inverted<'b>(pending: impl IntoIterator<Item = &'b [u8]>) -> Vec<(u32, Vec<u8>)> {
    let mut postings: Vec<u64> = Vec::new();
    let mut slot = 0;
    for mut bytes in pending {
        while !bytes.is_empty() {
            if read_list(&mut bytes, |gram| postings.push(u64::from(gram) << 32 | slot)).is_none() {
                break;
            }
            slot += 1;
        }
    }
    postings.sort_unstable();
    let gram_of = |posting: u64| (posting >> 32) as u32;
    let buckets = postings.chunk_by(|a, b| bucket_of(gram_of(*a)) == bucket_of(gram_of(*b))).map(|bucket| {
        let mut bytes = Vec::with_capacity(bucket.len() * 2);
        for list in bucket.chunk_by(|a, b| gram_of(*a) == gram_of(*b)) {
            let slots: Vec<u32> = list.iter().map(|posting| *posting as u32).collect();
            write_number(gram_of(list[0]) & 0xff, &mut bytes);
            write_list(&slots, &mut bytes);
        }
        (bucket_of(gram_of(bucket[0])), bytes)
    });
    buckets.collect()
}

/// Reads the lists of a bucket's grams for which `is_wanted` is true.
pub fn read_bucket(bucket: u32, mut bytes: &[u8], is_wanted: impl Fn(u32) -> bool) -> Vec<(u32, Slots)> {
    let mut lists = Vec::new();
    while let Some(low) = read_number(&mut bytes) {
        let gram = bucket.wrapping_shl(8) | low;
        let wanted = is_wanted(gram);
        let mut slots = Slots::default();
        let read = read_list(&mut bytes, |slot| {
            if wanted {
                slots.insert(slot);
            }
        });
        if read.is_none() {
            break;
        }
        if wanted {
            lists.push((gram, slots));
        }
    }
    lists
}

/// A set of slots of one block.
#[derive(Clone, Debug, Default)]
pub struct Slots(Vec<u64>);

impl Slots {
    fn insert(&mut self, slot: u32) {
        let word = slot as usize / 64;
        if slot < MAX_SLOTS {
            if self.0.len() <= word {
                self.0.resize(word + 1, 0);
            }
            self.0[word] |= 1 << (slot % 64);
        }
    }

    /// Removes the slots that are not in both.
    pub fn intersect(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    /// Adds the slots of the other.
    pub fn unite(&mut self, other: &Self) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(place, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| place * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pending(events: &[Vec<u32>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        events.iter().for_each(|grams| write_list(grams, &mut bytes));
        bytes
    }

    proptest! {
        #[test]
        fn a_block_finds_what_its_pending_rows_find(
            events in prop::collection::vec(prop::collection::btree_set((0u32..40).prop_map(|n| n * 50), 0..12), 0..150),
            searches in prop::collection::vec(prop::collection::btree_set((1u32..40).prop_map(|n| n * 50), 1..4), 1..3),
        ) {
            let events: Vec<Vec<u32>> = events.into_iter().map(|grams| grams.into_iter().collect()).collect();
            let searches: Vec<Vec<u32>> = searches.into_iter().map(|grams| grams.into_iter().collect()).collect();
            let expected: Vec<usize> = (0..events.len())
                .filter(|slot| {
                    let has = |gram: &u32| events[*slot].contains(gram);
                    has(&ANY) || searches.iter().any(|search| search.iter().all(has))
                })
                .collect();
            prop_assert_eq!(find_pending(&pending(&events), &searches), expected.clone());

            let (first, second) = events.split_at(events.len() / 2);
            let lists = inverted([&pending(first)[..], &pending(second)[..]]);
            let slots = |gram: &u32| {
                let bucket = lists.iter().find(|(bucket, _)| *bucket == bucket_of(*gram));
                let lists = bucket.map(|(bucket, bytes)| read_bucket(*bucket, bytes, |listed| listed == *gram));
                lists.unwrap_or_default().pop().map(|(_, slots)| slots).unwrap_or_default()
            };
            let mut found = slots(&ANY);
            for search in &searches {
                let mut all = slots(&search[0]);
                search[1..].iter().for_each(|gram| all.intersect(&slots(gram)));
                found.unite(&all);
            }
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn an_entry_is_read_as_it_was_written(id in any::<u128>(), at in 0i64..253_402_300_799_999_999) {
            let entry = Entry { id: Uuid::from_u128(id), at: Timestamp::from_timestamp_micros(at).unwrap() };
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            prop_assert_eq!((bytes.len(), Entry::read(&bytes)), (ENTRY, Some(entry)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            find_pending(&bytes, &[vec![1]]);
            read_bucket(u32::MAX, &bytes, |_| true);
        }
    }
}
