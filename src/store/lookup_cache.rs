//! Caches the results of look-ups for at most a second. A missing row is never cached.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use super::StoreError;
use super::console_logins::ConsoleLogin;
use super::directory::KeyRecord;
use crate::domain::{Agent, AgentRef, KeyHash, OrgId, Organization};

/// How long a revoked key, a disabled organization or a deleted agent may still be used.
pub const LOOKUP_CACHE_TTL: Duration = Duration::from_secs(1);

/// Entries of each kind; a few hundred bytes each.
const MAX_ENTRIES: u64 = 10_000;

pub(super) struct LookupCache {
    /// Keys by their hash and the generation at which they were read.
    pub keys: CacheEntry<(KeyHash, u64), KeyRecord>,
    /// Access tokens by their hash and generation, as records of their keys.
    pub tokens: CacheEntry<(KeyHash, u64), KeyRecord>,
    /// Logins of the console by their organization, hash and generation.
    pub console_logins: CacheEntry<(OrgId, KeyHash, u64), ConsoleLogin>,
    /// How often the end of any key, or of a login of the console, was changed.
    pub key_changes: Generation,
    pub organizations: CacheEntry<OrgId, Organization>,
    pub external_ids: CacheEntry<(String, String), OrgId>,
    /// External ids that are registered for one issuer.
    pub own_external_ids: CacheEntry<(String, String), OrgId>,
    /// Agents by their name and the generation at which they were read; see [`Generations`].
    pub agents: CacheEntry<(OrgId, AgentRef, u64), Agent>,
    pub changes: Generations,
}

impl LookupCache {
    pub fn new(lasts: Duration) -> Self {
        Self {
            keys: CacheEntry::new(lasts),
            tokens: CacheEntry::new(lasts),
            console_logins: CacheEntry::new(lasts),
            key_changes: Generation::default(),
            organizations: CacheEntry::new(lasts),
            external_ids: CacheEntry::new(lasts),
            own_external_ids: CacheEntry::new(lasts),
            agents: CacheEntry::new(lasts),
            changes: Generations::default(),
        }
    }
}

/// How often something was changed through this replica. A value that was cached under an earlier generation is not
/// used again, not even if it was being read while the change was committed.
#[derive(Default)]
pub(super) struct Generation(AtomicU64);

impl Generation {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Begins a new generation. Called after the change is committed.
    pub fn happened(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// The generations of the organizations. Organizations that share one invalidate each other's entries, which costs a
/// read.
pub(super) struct Generations([Generation; 256]);

impl Default for Generations {
    fn default() -> Self {
        Self([const { Generation(AtomicU64::new(0)) }; 256])
    }
}

impl Generations {
    pub fn of(&self, org: OrgId) -> &Generation {
        // The last byte is random in UUIDs of every version that organizations have.
        &self.0[usize::from(org.0.as_bytes()[15])]
    }
}

pub(super) struct CacheEntry<K, V>(Option<Cache<K, Arc<V>>>);

impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> CacheEntry<K, V> {
    fn new(lasts: Duration) -> Self {
        Self((!lasts.is_zero()).then(|| Cache::builder().max_capacity(MAX_ENTRIES).time_to_live(lasts).build()))
    }

    /// Returns whether there is a cached value under `key`.
    pub fn has(&self, key: &K) -> bool {
        self.0.as_ref().is_some_and(|cache| cache.contains_key(key))
    }

    /// Returns the cached value under `key`, or else the result of `read`. Concurrent callers share one read.
    ///
    /// The future of `read` is created, on the heap, only when it is needed, because a future that queries Postgres has
    /// several kilobytes and would be part of every caller's future.
    pub async fn find<F>(&self, key: K, read: impl FnOnce() -> F) -> Result<Option<Arc<V>>, StoreError>
    where
        F: Future<Output = Result<Option<V>, StoreError>> + Send,
    {
        let Some(cache) = &self.0 else { return Ok(Box::pin(read()).await?.map(Arc::new)) };
        if let Some(value) = cache.get(&key).await {
            return Ok(Some(value));
        }
        let read = Box::pin(read());
        let share = Box::pin(cache.try_get_with(key, async {
            match read.await {
                Ok(Some(value)) => Ok(Arc::new(value)),
                Ok(None) => Err(None),
                Err(error) => Err(Some(error)),
            }
        }));
        match share.await {
            Ok(value) => Ok(Some(value)),
            Err(shared) => (*shared).clone().map_or(Ok(None), Err),
        }
    }
}
