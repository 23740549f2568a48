//! The store of one organization.

use super::agents::Agents;
use super::api_keys::ApiKeys;
use super::avatars::Avatars;
use super::captures::Captures;
use super::contacts::Contacts;
use super::counts::Counts;
use super::dashboard::Dashboard;
use super::feed::Feed;
use super::lookup_cache::LookupCache;
use super::numbers::{Blocks, Numbers};
use super::sessions::Sessions;
use super::{Groups, Store, StoreError, TenantPool};
use crate::domain::OrgId;

/// The store of one organization. A tenant's rows are only accessible through it.
#[derive(Clone)]
pub struct TenantStore {
    pub(super) store: Store,
    pub(super) org: OrgId,
    is_full: bool,
}

impl TenantStore {
    pub(super) fn new(store: Store, org: OrgId, is_full: bool) -> Self {
        Self { store, org, is_full }
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
        let organization = self.store.directory().organization(self.org).await?;
        Ok(organization.is_some_and(|organization| organization.disabled_at.is_none()))
    }

    #[must_use]
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    #[must_use]
    pub fn captures(&self) -> Captures<'_> {
        Captures(self)
    }

    #[must_use]
    pub fn dashboard(&self) -> Dashboard<'_> {
        Dashboard(self)
    }

    #[must_use]
    pub fn agents(&self) -> Agents<'_> {
        Agents(self)
    }

    #[must_use]
    pub fn api_keys(&self) -> ApiKeys<'_> {
        ApiKeys(self)
    }

    #[must_use]
    pub fn avatars(&self) -> Avatars<'_> {
        Avatars(self)
    }

    #[must_use]
    pub fn contacts(&self) -> Contacts<'_> {
        Contacts(self)
    }

    #[must_use]
    pub fn feed(&self) -> Feed<'_> {
        Feed(self)
    }

    #[must_use]
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers(self)
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

    pub(super) fn groups(&self) -> &Groups {
        &self.store.0.groups
    }

    pub(super) fn lookup_cache(&self) -> &LookupCache {
        self.store.lookup_cache()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.store.0.counts
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.store.0.blocks
    }
}
