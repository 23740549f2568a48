//! The store of one organization.

use std::sync::Arc;

use super::lookup_cache::LookupCache;
use super::{Groups, Store, StoreError, TenantPool};
use crate::domain::sealing::SealingKeys;
use crate::domain::{Actor, OrgId};

/// The store of one organization. A tenant's rows are only accessible through it.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) store: Store,
    pub(super) org: OrgId,
    is_full: bool,
    /// Whose acts they are that the audit log records; `None` for the service's own.
    actor: Option<Arc<Actor>>,
}

impl TenantStore {
    pub(super) fn new(store: Store, org: OrgId, is_full: bool) -> Self {
        Self { store, org, is_full, actor: None }
    }

    /// Returns a store whose acts are recorded as this actor's.
    #[must_use]
    pub fn acting_for(self, actor: Actor) -> Self {
        Self { actor: Some(Arc::new(actor)), ..self }
    }

    /// Returns whose acts the audit log records.
    pub(super) fn actor(&self) -> &Actor {
        self.actor.as_deref().unwrap_or(&Actor::SERVICE)
    }

    /// Returns the actor for a request that outlives this store.
    pub(super) fn shared_actor(&self) -> Option<Arc<Actor>> {
        self.actor.clone()
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
        &self.store.0.pools.tenants
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
        &self.store.0.pools.scans
    }

    /// Returns the keys that secrets are sealed with; `None` stores them in clear.
    pub(super) fn sealing(&self) -> Option<&SealingKeys> {
        self.store.0.sealing.as_ref()
    }

    pub(super) fn groups(&self) -> &Groups {
        &self.store.0.groups
    }

    pub(super) fn lookup_cache(&self) -> &LookupCache {
        self.store.lookup_cache()
    }
}
