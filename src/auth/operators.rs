//! The operators of a deployment: callers of certain organizations, who manage the others.

use std::sync::Arc;

use crate::domain::{OrgId, Principal, Scope};
use crate::store::TenantStore;
use crate::store::admin::AdminStore;

/// Whose callers are operators, and what they use. By default there are none.
#[derive(Clone, Default)]
pub struct Operators(Option<Arc<Inner>>);

struct Inner {
    organizations: Vec<OrgId>,
    admin: AdminStore,
    issuers: TrustedIssuers,
}

/// The identity providers that external ids of organizations come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedIssuers {
    /// The one that an external id is registered for, unless another one is named.
    pub default: Option<String>,
    /// How many there are.
    pub count: usize,
}

impl Operators {
    /// Returns operators that are the callers of these organizations; none if the list is empty.
    #[must_use]
    pub fn new(organizations: Vec<OrgId>, admin: AdminStore, issuers: TrustedIssuers) -> Self {
        if organizations.is_empty() {
            return Self::default();
        }
        Self(Some(Arc::new(Inner { organizations, admin, issuers })))
    }

    /// Returns whether a caller is an operator: one of these organizations, with the scope `manage`.
    #[must_use]
    pub fn include(&self, principal: &Principal) -> bool {
        let is_named = |inner: &Inner| inner.organizations.contains(&principal.organization.id);
        principal.scopes.has(Scope::Manage) && self.0.as_deref().is_some_and(is_named)
    }

    /// Returns the store of all organizations for an operator, whose acts the audit log records. Returns `None` for
    /// every other caller.
    #[must_use]
    pub fn store_for(&self, principal: &Principal, store: &TenantStore) -> Option<AdminStore> {
        let inner = self.0.as_deref().filter(|_| self.include(principal))?;
        Some(inner.admin.acting_for_caller_of(store))
    }

    /// Returns the identity providers of the deployment.
    #[must_use]
    pub fn issuers(&self) -> TrustedIssuers {
        self.0.as_deref().map(|inner| inner.issuers.clone()).unwrap_or_default()
    }
}
