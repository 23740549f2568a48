//! How many exports and imports an organization may have at once.

use crate::domain::{OrgId, Permit, Quota};
use crate::http::Rejection;

/// Exports of one organization at once, on one replica. Each has at most a few MiB in memory.
const EXPORTS: usize = 2;
/// Imports of one organization at once. Each has a line in memory.
const IMPORTS: usize = 2;

/// The permits for exports and imports. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExportPermits {
    exports: Quota,
    imports: Quota,
}

impl Default for ExportPermits {
    fn default() -> Self {
        Self { exports: Quota::new(EXPORTS), imports: Quota::new(IMPORTS) }
    }
}

impl ExportPermits {
    /// Returns a permit for an export.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when the organization has as many as it may have.
    pub fn export(&self, org: OrgId) -> Result<Permit, Rejection> {
        self.exports.acquire(org).ok_or(Rejection::TooManyConcurrent)
    }

    /// Returns a permit for an import.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when the organization has as many as it may have.
    pub fn import(&self, org: OrgId) -> Result<Permit, Rejection> {
        self.imports.acquire(org).ok_or(Rejection::TooManyConcurrent)
    }
}
