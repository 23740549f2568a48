//! Checks again whether an authenticated caller is still valid, for responses that last.

use super::authenticator::Authenticator;
use crate::domain::{Principal, Proof};
use crate::store::{LoginHolder, StoreError};

/// Whether the credential of a caller is still valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Valid,
    /// Its time is over.
    Expired,
    /// It was revoked, or may no longer be used from the caller's address.
    Withdrawn,
    /// Its organization is disabled.
    OrganizationDisabled,
}

impl Authenticator {
    /// Returns whether the caller's credential is still neither revoked nor expired, may still be used from the caller's
    /// address, and its organization is not disabled.
    /// Like every request, it may see changes of other replicas a second late.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn still_holds(&self, principal: &Principal) -> Result<bool, StoreError> {
        Ok(self.standing(principal).await? == Standing::Valid)
    }

    /// Returns whether the caller's credential is still valid, and if not, why.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn standing(&self, principal: &Principal) -> Result<Standing, StoreError> {
        let directory = self.store.directory();
        let org = principal.organization.id;
        let is_over = |end: Option<_>| end.is_some_and(|end| end <= self.clock.now());
        let record = match principal.proof {
            Proof::ApiKey(hash) => directory.key(hash).await?,
            Proof::AccessToken(hash) => directory.access_token(hash).await?,
            Proof::ConsoleLogin(login, _) => match directory.console_login(org, login).await? {
                Some(login) if is_over(Some(login.expires_at)) => return Ok(Standing::Expired),
                Some(login) => match login.holder {
                    LoginHolder::Key(key) => directory.key(key).await?,
                    LoginHolder::User { .. } => return self.standing_of_organization(principal).await,
                },
                None => None,
            },
            Proof::NotKept if is_over(principal.expires_at) => return Ok(Standing::Expired),
            Proof::NotKept => return self.standing_of_organization(principal).await,
        };
        match record {
            // An expired access token is deleted when the next one is made.
            None if is_over(principal.expires_at) => Ok(Standing::Expired),
            None => Ok(Standing::Withdrawn),
            Some(record) if !record.permits(principal.address) => Ok(Standing::Withdrawn),
            Some(record) if is_over(record.expires_at) => Ok(Standing::Expired),
            Some(_) => self.standing_of_organization(principal).await,
        }
    }

    async fn standing_of_organization(&self, principal: &Principal) -> Result<Standing, StoreError> {
        let organization = self.store.directory().active_organization(principal.organization.id).await?;
        Ok(if organization.is_some() { Standing::Valid } else { Standing::OrganizationDisabled })
    }
}
