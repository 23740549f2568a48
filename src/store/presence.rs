//! What was there a moment ago. Presence is remembered for a second at most; absence is always asked for.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;

use super::StoreError;
use super::directory::KeyRecord;
use crate::domain::{Agent, AgentRef, KeyHash, OrgId, Organization};

/// How long a revoked key, a disabled organization or a deleted agent may still be taken for present.
pub const PRESENCE: Duration = Duration::from_secs(1);

/// Entries of each kind; a few hundred bytes each.
const MOST: u64 = 10_000;

pub(super) struct Presence {
    /// Under the age at which they were asked for, as are tokens.
    pub keys: Remembered<(KeyHash, u64), KeyRecord>,
    /// Access tokens, as records of their keys.
    pub tokens: Remembered<(KeyHash, u64), KeyRecord>,
    /// How often any key's end was changed.
    pub key_changes: Age,
    pub organizations: Remembered<OrgId, Organization>,
    pub external_ids: Remembered<(String, String), OrgId>,
    /// Under the age at which they were asked for: see [`Ages`].
    pub agents: Remembered<(OrgId, AgentRef, u64), Agent>,
    pub changes: Ages,
}

impl Presence {
    pub fn new(lasts: Duration) -> Self {
        Self {
            keys: Remembered::new(lasts),
            tokens: Remembered::new(lasts),
            key_changes: Age::default(),
            organizations: Remembered::new(lasts),
            external_ids: Remembered::new(lasts),
            agents: Remembered::new(lasts),
            changes: Ages::default(),
        }
    }
}

/// How often something was changed through this replica. What is remembered under an earlier age is not asked for again,
/// not even where its read was under way while the change was committed.
#[derive(Default)]
pub(super) struct Age(AtomicU64);

impl Age {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// To be called once the change is committed.
    pub fn happened(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// The ages of what organizations have. They share one here and there: one's change then costs the other a read.
pub(super) struct Ages([Age; 256]);

impl Default for Ages {
    fn default() -> Self {
        Self([const { Age(AtomicU64::new(0)) }; 256])
    }
}

impl Ages {
    pub fn of(&self, org: OrgId) -> &Age {
        // The last byte is random in UUIDs of every version that organizations are given.
        &self.0[usize::from(org.0.as_bytes()[15])]
    }
}

pub(super) struct Remembered<K, V>(Option<Cache<K, Arc<V>>>);

impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> Remembered<K, V> {
    fn new(lasts: Duration) -> Self {
        Self((!lasts.is_zero()).then(|| Cache::builder().max_capacity(MOST).time_to_live(lasts).build()))
    }

    /// Whether something is remembered under `key`.
    pub fn has(&self, key: &K) -> bool {
        self.0.as_ref().is_some_and(|cache| cache.contains_key(key))
    }

    /// What is remembered under `key`, else what `read` finds. Callers that ask at once share one read.
    ///
    /// The reading future is made, and put on the heap, only when it is needed: a future that talks to Postgres is
    /// kilobytes large, and every caller's future would carry it along.
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
