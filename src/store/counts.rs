//! Counts over many rows, cached for a few seconds.

use std::hash::Hash;
use std::time::Duration;

use moka::sync::Cache;

use super::TenantStore;
use super::contacts::{ContactWindow, ContactWindowKey};
use super::sessions::{Census, Window, WindowKey};
use crate::domain::{DialectName, OrgId};

/// How long a count over many rows is cached.
pub const COUNTS: Duration = Duration::from_secs(5);
/// Up to this number of rows, a count is not cached, because counting takes little time. The counts of an organization
/// with fewer rows are always exact.
pub(super) const EXACT: i64 = 1_000;
/// Cached counts of each kind. Each takes a few hundred bytes, most of them a search text.
const MAX_ENTRIES: u64 = 10_000;

pub(super) struct Counts {
    pub windows: CountCache<WindowKey, Window>,
    pub contacts: CountCache<ContactWindowKey, ContactWindow>,
    pub censuses: CountCache<(OrgId, DialectName), Census>,
}

impl TenantStore {
    pub(super) fn counts(&self) -> &Counts {
        &self.store.0.counts
    }
}

impl Counts {
    pub fn new(lasts: Duration) -> Self {
        Self { windows: CountCache::new(lasts), contacts: CountCache::new(lasts), censuses: CountCache::new(lasts) }
    }
}

pub(super) struct CountCache<K, V>(Cache<K, V>);

impl<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> CountCache<K, V> {
    fn new(lasts: Duration) -> Self {
        Self(Cache::builder().max_capacity(MAX_ENTRIES).time_to_live(lasts).build())
    }

    pub fn get(&self, key: &K) -> Option<V> {
        self.0.get(key)
    }

    /// Caches a count for which `seen` rows were read, unless they are few.
    pub fn insert(&self, key: K, count: V, seen: i64) {
        if seen >= EXACT {
            self.0.insert(key, count);
        }
    }
}
