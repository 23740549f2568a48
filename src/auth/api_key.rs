//! Authentication by API key.

use std::net::IpAddr;

use super::authenticator::Authenticator;
use crate::domain::{ApiKey, Credential, KeyHash, Principal, Proof};
use crate::http::{Forbidden, Lookup, Rejection, Unauthenticated};
use crate::store::KeyRecord;

/// Returns the caller that the key belongs to.
///
/// # Errors
/// 429 when the client's address has tried too many unknown keys. 401 when the key was never issued, is revoked or has
/// expired, or its organization is disabled. 403 when the key may not be used from the client's address. A key with a
/// wrong checksum is rejected without a database query.
pub(super) async fn authenticate(
    authenticator: &Authenticator,
    key: &ApiKey,
    address: Option<IpAddr>,
) -> Result<Principal, Rejection> {
    authenticate_hash(authenticator, key.hash(), address).await
}

/// Returns the caller that the key with this hash belongs to.
///
/// # Errors
/// Those of [`authenticate`].
pub(super) async fn authenticate_hash(
    authenticator: &Authenticator,
    hash: KeyHash,
    address: Option<IpAddr>,
) -> Result<Principal, Rejection> {
    let bad = Rejection::Unauthenticated(Unauthenticated::BadKey);
    let directory = authenticator.store.directory();
    let record = authenticator.limiter.lookups().counted(address, Lookup::Key(hash), directory.key(hash)).await?;
    let record = record.ok_or_else(|| bad.clone())?;
    if record.expires_at.is_some_and(|end| end <= authenticator.clock.now()) {
        return Err(bad);
    }
    let organization = directory.active_organization(record.org).await?.ok_or(bad)?;
    authenticator.use_key(&record, address)?;
    Ok(Principal {
        organization,
        credential: Credential::ApiKey(record.id),
        scopes: record.scopes,
        proof: Proof::ApiKey(hash),
        expires_at: record.expires_at,
        allowed_addresses: record.allowed_addresses.clone(),
        address,
    })
}

impl Authenticator {
    /// Records that a valid key, or an access token of it, was used.
    ///
    /// # Errors
    /// 403 when the key may not be used from the client's address; that is not recorded.
    pub(super) fn use_key(&self, record: &KeyRecord, address: Option<IpAddr>) -> Result<(), Rejection> {
        if !record.permits(address) {
            return Err(Rejection::Forbidden(Forbidden::Address));
        }
        record.was_used(self.clock.now());
        Ok(())
    }
}
