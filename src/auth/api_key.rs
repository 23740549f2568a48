//! A caller who shows an API key.

use crate::domain::{ApiKey, Clock, Credential, Principal, Proof};
use crate::http::{Refusal, Unauthenticated};
use crate::store::Store;

/// # Errors
/// 401 when the key was never issued, is revoked or has expired, or its organization is disabled. A key whose checksum
/// does not hold is refused without asking the database.
pub(super) async fn authenticate(store: &Store, clock: &Clock, key: &ApiKey) -> Result<Principal, Refusal> {
    let bad = Refusal::Unauthenticated(Unauthenticated::BadKey);
    let hash = key.hash();
    let record = store.directory().key(hash).await?.ok_or_else(|| bad.clone())?;
    if record.expires_at.is_some_and(|end| end <= clock.now()) {
        return Err(bad);
    }
    let organization = store
        .directory()
        .organization(record.org)
        .await?
        .filter(|organization| organization.disabled_at.is_none())
        .ok_or(bad)?;
    Ok(Principal {
        organization,
        credential: Credential::ApiKey(record.id),
        scopes: record.scopes,
        proof: Proof::ApiKey(hash),
        expires_at: record.expires_at,
    })
}
