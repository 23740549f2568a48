//! What was there a moment ago. Presence is remembered for a second at most; absence is always asked for.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
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
    pub keys: Remembered<KeyHash, KeyRecord>,
    pub organizations: Remembered<OrgId, Organization>,
    pub external_ids: Remembered<(String, String), OrgId>,
    pub agents: Remembered<(OrgId, AgentRef), Agent>,
}

impl Presence {
    pub fn new(lasts: Duration) -> Self {
        Self {
            keys: Remembered::new(lasts),
            organizations: Remembered::new(lasts),
            external_ids: Remembered::new(lasts),
            agents: Remembered::new(lasts),
        }
    }
}

pub(super) struct Remembered<K, V>(Option<Cache<K, Arc<V>>>);

impl<K: Hash + Eq + Send + Sync + 'static, V: Send + Sync + 'static> Remembered<K, V> {
    fn new(lasts: Duration) -> Self {
        Self((!lasts.is_zero()).then(|| Cache::builder().max_capacity(MOST).time_to_live(lasts).build()))
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
