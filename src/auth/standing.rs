//! Checks again whether an authenticated caller is still valid, for responses that last.

use super::authenticator::Authenticator;
use crate::domain::{Principal, Proof};
use crate::store::StoreError;

impl Authenticator {
    /// Returns whether the caller's credential is still neither revoked nor expired, may still be used from the caller's
    /// address, and its organization is not disabled.
    /// Like every request, it may see changes of other replicas a second late.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn still_holds(&self, principal: &Principal) -> Result<bool, StoreError> {
        let directory = self.store.directory();
        let record = match principal.proof {
            Proof::ApiKey(hash) => directory.key(hash).await?,
            Proof::AccessToken(hash) => directory.access_token(hash).await?,
            Proof::ConsoleLogin { login, key } => {
                let login = directory.console_login(principal.organization.id, login).await?;
                if login.is_none_or(|login| login.expires_at <= self.clock.now()) {
                    return Ok(false);
                }
                match key {
                    Some(key) => directory.key(key).await?,
                    None => return Ok(directory.active_organization(principal.organization.id).await?.is_some()),
                }
            }
            Proof::NotKept => None,
        };
        if record.as_ref().is_some_and(|record| !record.permits(principal.address)) {
            return Ok(false);
        }
        let expires_at = match (&record, principal.proof) {
            (Some(record), _) => record.expires_at,
            (None, Proof::NotKept) => principal.expires_at,
            (None, _) => return Ok(false),
        };
        if expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Ok(false);
        }
        Ok(directory.active_organization(principal.organization.id).await?.is_some())
    }
}
