//! Checks again whether an authenticated caller is still valid, for responses that last.

use super::authenticator::Authenticator;
use crate::domain::{Principal, Proof};
use crate::store::{LoginHolder, StoreError};

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
            Proof::ConsoleLogin(login, _) => {
                let org = principal.organization.id;
                let login = directory.console_login(org, login).await?;
                let Some(login) = login.filter(|login| login.expires_at > self.clock.now()) else { return Ok(false) };
                match login.holder {
                    LoginHolder::Key(key) => directory.key(key).await?,
                    LoginHolder::User { .. } => return Ok(directory.active_organization(org).await?.is_some()),
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
