//! When API keys were last used.
//!
//! A use is written to memory, where it costs a request one atomic write, and to the database every few seconds, each key
//! at most once a minute. A key's stored time is therefore up to a minute old, and a replica that is killed loses the uses
//! of its last seconds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::DateTime;
use uuid::Uuid;

use super::{Inner, StoreError, StoreShard, scope};
use crate::domain::{KeyId, OrgId, Timestamp};

/// Milliseconds between two writes of one key.
const WRITE_EVERY: i64 = 60_000;
/// Keys per statement.
const BATCH: usize = 1_000;
/// Keys that are followed, some 10 MB. The uses of further ones are not recorded until others are no longer used.
const MAX_KEYS: usize = 50_000;
/// Flushes without a use after which a key is no longer followed.
const FORGET_AFTER: u32 = 24;
/// The time of a key that was not used, or not written.
const NEVER: i64 = i64::MIN;

/// When one key was last used, in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct KeyUse {
    org: OrgId,
    key: KeyId,
    used_at: AtomicI64,
    written_at: AtomicI64,
}

impl KeyUse {
    fn new(org: OrgId, key: KeyId) -> Self {
        Self { org, key, used_at: AtomicI64::new(NEVER), written_at: AtomicI64::new(NEVER) }
    }

    /// Records a use.
    pub fn at(&self, now: Timestamp) {
        self.used_at.fetch_max(now.timestamp_millis(), Ordering::Relaxed);
    }

    fn used_at(&self) -> i64 {
        self.used_at.load(Ordering::Relaxed)
    }

    /// Returns whether a use is to be written.
    fn is_due(&self) -> bool {
        let (used, written) = (self.used_at(), self.written_at.load(Ordering::Relaxed));
        used != NEVER && (written == NEVER || used - written >= WRITE_EVERY)
    }
}

struct Followed {
    key: Arc<KeyUse>,
    /// The last use at the previous flush, and the flushes since then.
    seen: i64,
    idle: u32,
}

/// The keys that were used recently. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct KeyUses(Arc<Mutex<HashMap<KeyId, Followed>>>);

impl KeyUses {
    /// Returns where the uses of a key are recorded. Called when a key is read from the database, not for each request.
    pub fn of(&self, org: OrgId, id: KeyId) -> Arc<KeyUse> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(followed) = keys.get(&id) {
            return Arc::clone(&followed.key);
        }
        let key = Arc::new(KeyUse::new(org, id));
        if keys.len() < MAX_KEYS {
            keys.insert(id, Followed { key: Arc::clone(&key), seen: NEVER, idle: 0 });
        }
        key
    }

    /// Returns the keys whose use is to be written, with the time of the use, and forgets those that are idle.
    fn due(&self) -> Vec<(Arc<KeyUse>, i64)> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        keys.retain(|_, Followed { key, seen, idle }| {
            let used = key.used_at();
            if key.is_due() {
                due.push((Arc::clone(key), used));
                return true;
            }
            *idle = if *seen == used { *idle + 1 } else { 0 };
            *seen = used;
            // A cached record may still use it.
            *idle < FORGET_AFTER || Arc::strong_count(key) > 1
        });
        // Sorted because two replicas that write in different orders would deadlock.
        due.sort_unstable_by_key(|(key, _)| (key.org, key.key.0));
        due
    }
}

/// Writes the uses that are due. Those of a failed statement stay due.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached, or one shard of it.
pub(super) async fn flush(store: &Inner) -> Result<(), StoreError> {
    let mut result = Ok(());
    for (shard, uses) in store.shards.assign(store.key_uses.due(), |(key, _)| key.org) {
        for batch in uses.chunks(BATCH) {
            if let Err(error) = write(&shard, batch).await {
                result = Err(error);
                break;
            }
            for (key, used) in batch {
                key.written_at.fetch_max(*used, Ordering::Relaxed);
            }
        }
    }
    result
}

async fn write(shard: &StoreShard, uses: &[(Arc<KeyUse>, i64)]) -> Result<(), StoreError> {
    let mut scope: Vec<OrgId> = uses.iter().map(|(key, _)| key.org).collect();
    let orgs: Vec<Uuid> = scope.iter().map(|org| org.0).collect();
    scope.dedup();
    let keys: Vec<Uuid> = uses.iter().map(|(key, _)| key.key.0).collect();
    let times: Vec<Timestamp> =
        uses.iter().map(|(_, used)| DateTime::from_timestamp_millis(*used).unwrap_or_default()).collect();
    let mut transaction = scope::begin_lookup(&shard.pools.lookups, &scope).await?;
    // Another replica may have written the same minute.
    sqlx::query!(
        "WITH used AS (
             SELECT k.org_id, k.key_id, new.at
               FROM UNNEST($1::uuid[], $2::uuid[], $3::timestamptz[]) AS new (org_id, key_id, at)
               JOIN api_keys k ON k.org_id = new.org_id AND k.key_id = new.key_id
              WHERE k.last_used_at IS NULL OR k.last_used_at <= new.at - interval '1 minute'
              ORDER BY k.org_id, k.key_id
                FOR NO KEY UPDATE OF k)
         UPDATE api_keys k SET last_used_at = used.at
           FROM used WHERE k.org_id = used.org_id AND k.key_id = used.key_id",
        &orgs,
        &keys,
        &times
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn written(uses: &KeyUses) -> usize {
        let due = uses.due();
        for (key, used) in &due {
            key.written_at.fetch_max(*used, Ordering::Relaxed);
        }
        due.len()
    }

    #[test]
    fn a_key_is_written_once_a_minute() {
        let (uses, now) = (KeyUses::default(), DateTime::UNIX_EPOCH);
        let key = uses.of(OrgId(Uuid::from_u128(1)), KeyId(Uuid::from_u128(2)));
        assert_eq!(written(&uses), 0, "it was not used");
        key.at(now);
        assert_eq!((uses.due().len(), written(&uses), written(&uses)), (1, 1, 0), "until it is written, it stays due");
        key.at(now + TimeDelta::seconds(59));
        assert_eq!(written(&uses), 0);
        uses.of(OrgId(Uuid::from_u128(1)), KeyId(Uuid::from_u128(2))).at(now + TimeDelta::seconds(60));
        key.at(now);
        assert_eq!((written(&uses), key.used_at()), (1, 60_000));
    }

    #[test]
    fn the_keys_in_memory_are_bounded_and_idle_ones_forgotten() {
        let (uses, org) = (KeyUses::default(), OrgId(Uuid::from_u128(1)));
        let count = || uses.0.lock().unwrap().len();
        for id in 0..MAX_KEYS as u128 + 10 {
            uses.of(org, KeyId(Uuid::from_u128(id))).at(DateTime::UNIX_EPOCH);
        }
        assert_eq!(count(), MAX_KEYS);
        let used = uses.of(org, KeyId(Uuid::from_u128(0)));
        assert_eq!(written(&uses), MAX_KEYS);
        for _ in 0..=FORGET_AFTER {
            assert_eq!(written(&uses), 0);
        }
        assert_eq!((count(), used.used_at()), (1, 0), "what a cached record refers to stays");
    }
}
