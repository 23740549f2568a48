//! The store of one organization.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lookup_cache::LookupCache;
use super::scope::TenantPool;
use super::store_shard::{Groups, StoreShard};
use super::{Store, StoreError};
use crate::domain::sealing::SealingKeys;
use crate::domain::{Actor, KeyId, OrgId};

/// The store of one organization. A tenant's rows are only accessible through it.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) store: Store,
    /// The connections to the organization's shard.
    pub(super) shard: Arc<StoreShard>,
    pub(super) org: OrgId,
    is_full: bool,
    /// Whose acts they are that the audit log records; `None` for the service's own.
    actor: Option<Arc<Actor>>,
    /// The API key whose usage is counted.
    key: Option<KeyId>,
    /// Whether something was committed through this store or a clone of it.
    has_committed: Arc<AtomicBool>,
}

impl TenantStore {
    pub(super) fn new(store: Store, org: OrgId, is_full: bool) -> Self {
        let shard = store.0.shards.of(org);
        Self { store, shard, org, is_full, actor: None, key: None, has_committed: Arc::default() }
    }

    /// Returns a store whose acts are recorded as this actor's.
    #[must_use]
    pub fn acting_for(self, actor: Actor) -> Self {
        Self { actor: Some(Arc::new(actor)), ..self }
    }

    /// Returns a store whose usage is counted for this API key, if there is one.
    #[must_use]
    pub fn used_by(self, key: Option<KeyId>) -> Self {
        Self { key, ..self }
    }

    /// Returns the API key whose usage is counted.
    pub(super) fn key(&self) -> Option<KeyId> {
        self.key
    }

    /// Returns whose acts the audit log records.
    pub(super) fn actor(&self) -> &Actor {
        self.actor.as_deref().unwrap_or(&Actor::SERVICE)
    }

    /// Returns the actor for a request that outlives this store.
    pub(super) fn shared_actor(&self) -> Option<Arc<Actor>> {
        self.actor.clone()
    }

    /// Returns whether this store, or a clone of it, has committed something that a client asked for, or may have. Every
    /// request has a store of its own, so that it is whether the request had an effect.
    #[must_use]
    pub fn has_committed(&self) -> bool {
        self.has_committed.load(Ordering::Acquire)
    }

    /// Notes that something was committed. Every method that creates something for a request with an `Idempotency-Key`
    /// calls it.
    pub(super) fn note_commit(&self) {
        self.has_committed.store(true, Ordering::Release);
    }

    /// Notes a commit if the result shows that there was one, or that there may have been one.
    pub(super) fn note_result<T>(&self, result: &Result<T, StoreError>, is_effect: impl FnOnce(&T) -> bool) {
        if result.as_ref().map_or_else(|error| matches!(error, StoreError::Unavailable), is_effect) {
            self.note_commit();
        }
    }

    /// Returns the organization whose store this is.
    #[must_use]
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Returns whether the organization exists and is not disabled.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn is_organization_enabled(&self) -> Result<bool, StoreError> {
        Ok(self.store.directory().active_organization(self.org).await?.is_some())
    }

    pub(super) fn pool(&self) -> &TenantPool {
        &self.shard.pools.tenants
    }

    /// Checks that the storage quota is not used up. Called before anything is added.
    ///
    /// # Errors
    /// [`StoreError::StorageFull`] when it is used up.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        if self.is_full { Err(StoreError::StorageFull) } else { Ok(()) }
    }

    /// Counts bytes that were added outside of a group. Groups count their own.
    pub(super) fn stored(&self, bytes: usize) {
        self.store.0.reports.storage.add(self.org, bytes);
    }

    /// Returns the pool for queries that read many rows.
    pub(super) fn scans(&self) -> &TenantPool {
        &self.shard.pools.scans
    }

    /// Returns the keys that secrets are sealed with; `None` stores them in clear.
    pub(super) fn sealing(&self) -> Option<&SealingKeys> {
        self.store.0.sealing.as_ref()
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.shard.groups
    }

    pub(super) fn lookup_cache(&self) -> &LookupCache {
        self.store.lookup_cache()
    }
}
