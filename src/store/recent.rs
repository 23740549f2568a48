//! What a writer's connection stored last of each session, so that the session's next write needs no reading.
//!
//! A write compares the session with the version that it was computed from. A session that another replica, worker or
//! statement has changed meanwhile is therefore not overwritten: it is read, and the change is computed again. Only that
//! comparison shows that a remembered session is current, so a change that writes nothing is computed again as well.
//!
//! The versions belong to one connection: a server that crashed can use the ids of lost transactions again, and no
//! connection outlives a crash.

use std::collections::HashMap;
use std::time::Duration;

use hashlink::LruCache;
use tokio::time::Instant;

use super::sessions::RowKey;

/// Bytes of the sessions that one connection remembers.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long a session is remembered. Within this time no server uses up the 4 billion ids of transactions.
const LASTS: Duration = Duration::from_secs(60);
/// Bytes of an entry beside those of its texts.
const ENTRY_BYTES: usize = 512;
/// Batches for which nothing is used of what is remembered, at most.
const LONGEST_PAUSE: u32 = 4_096;

/// The sessions that one connection remembers, least recently written first.
pub(super) struct Recent<V> {
    sessions: LruCache<RowKey, Entry<V>>,
    bytes: usize,
    /// The length of the next pause, in batches. A batch with an outdated session doubles it and one without halves it,
    /// because the first kind needs one statement more than if it had been read, or two, and the second one less.
    pause: u32,
    /// Batches that are left of the current pause.
    paused: u32,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    at: Instant,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { sessions: LruCache::new_unbounded(), bytes: 0, pause: 0, paused: 0 }
    }
}

impl<V> Recent<V> {
    /// Removes and returns what is remembered of these sessions. Returns nothing in a pause: while several replicas write
    /// the same sessions in turn, what is remembered is mostly outdated.
    pub fn take(&mut self, keys: &[RowKey]) -> HashMap<RowKey, V> {
        self.forget_old(Instant::now());
        let taken: HashMap<RowKey, V> = keys.iter().filter_map(|key| Some((*key, self.remove(key)?))).collect();
        if !taken.is_empty() && self.paused > 0 {
            self.paused -= 1;
            return HashMap::new();
        }
        taken
    }

    /// Records whether all sessions of a batch that were taken from here, and compared with their rows, were current.
    pub fn judge(&mut self, are_current: bool) {
        if are_current {
            self.pause /= 2;
        } else {
            self.pause = (self.pause * 2).clamp(1, LONGEST_PAUSE);
            self.paused = self.pause;
        }
    }

    /// Remembers a session as it was written, with texts of `bytes` bytes. A session with many is not remembered, because
    /// a few of them would take the place of all others.
    pub fn put(&mut self, key: RowKey, bytes: usize, value: impl FnOnce() -> V) {
        let bytes = bytes + ENTRY_BYTES;
        if bytes > MAX_BYTES / 1_024 {
            return;
        }
        self.bytes += bytes;
        if let Some(earlier) = self.sessions.insert(key, Entry { value: value(), bytes, at: Instant::now() }) {
            self.bytes -= earlier.bytes;
        }
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.sessions.remove_lru()
        {
            self.bytes -= oldest.bytes;
        }
    }

    fn remove(&mut self, key: &RowKey) -> Option<V> {
        let entry = self.sessions.remove(key)?;
        self.bytes -= entry.bytes;
        Some(entry.value)
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((_, oldest)) = self.sessions.iter().next()
            && now.duration_since(oldest.at) > LASTS
            && let Some((_, oldest)) = self.sessions.remove_lru()
        {
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> RowKey {
        RowKey::of(Uuid::nil(), 1, Uuid::from_u128(number))
    }

    #[test]
    fn it_is_bounded_in_bytes_and_forgets_what_was_written_longest_ago() {
        let mut recent = Recent::default();
        let each = MAX_BYTES / 2_000;
        for number in 1..10_000 {
            recent.put(key(number), each - ENTRY_BYTES, || number);
            recent.put(key(0), each - ENTRY_BYTES, || 0);
            assert!(recent.bytes <= MAX_BYTES);
        }
        recent.put(key(20_000), MAX_BYTES / 1_024, || 20_000);
        let keys: Vec<RowKey> = (0..30_000).map(key).collect();
        let taken = recent.take(&keys);
        assert_eq!(taken.len(), 2_000);
        let has = |number| taken.contains_key(&key(number));
        assert!(has(0) && has(9_999) && !has(7_999) && !has(20_000));
        assert_eq!((recent.bytes, recent.sessions.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn it_forgets_after_a_minute() {
        let mut recent = Recent::default();
        recent.put(key(1), 0, || 1);
        tokio::time::advance(LASTS / 2).await;
        recent.put(key(2), 0, || 2);
        tokio::time::advance(LASTS / 2 + Duration::from_millis(1)).await;
        assert_eq!(recent.take(&[key(1), key(2)]), HashMap::from([(key(2), 2)]));
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn it_is_used_only_while_it_is_mostly_current() {
        let mut recent = Recent::default();
        let used = |recent: &mut Recent<i32>, is_current: bool| {
            recent.put(key(1), 0, || 1);
            let is_used = !recent.take(&[key(1)]).is_empty();
            if is_used {
                recent.judge(is_current);
            }
            is_used
        };
        let outdated = (0..100_000).filter(|_| used(&mut recent, false)).count();
        assert!(outdated < 50, "{outdated}");
        for _ in 0..3 * LONGEST_PAUSE {
            used(&mut recent, true);
        }
        let current = (0..1_000).filter(|n| used(&mut recent, n % 4 != 0)).count();
        assert!(current > 600, "{current}");
    }
}
