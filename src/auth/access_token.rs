//! Access tokens of the client-credentials grant (RFC 6749, section 4.4), which Vectara's clients ask for: opaque, good
//! for half an hour and for that dialect alone. The client is an API key: its id, and the key itself as the secret.
//!
//! A token looks like a key, checksum and all, under a prefix of its own; it is kept as its SHA-256 only, and is worth
//! what its key is worth: it ends with the key, and has the key's scopes.

use std::net::IpAddr;

use chrono::TimeDelta;

use super::authenticator::Authenticator;
use crate::domain::{ApiKey, Credential, KeyId, Principal, Proof};
use crate::http::{Class, Lookup, Rejection, Unauthenticated};
use crate::store::KeyRecord;

/// What stands before a token's underscore.
const PREFIX: &str = "vat";
/// How long a token is good.
const LIFETIME: TimeDelta = TimeDelta::minutes(30);

/// A token, to be told once.
pub struct AccessToken {
    pub token: ApiKey,
    /// How long it is good, in whole seconds.
    pub expires_in: i64,
}

/// Whether a text may be a token: nothing else needs to be asked about others.
pub(super) fn looks_like_one(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('_'))
}

impl Authenticator {
    /// Returns a new token for the key that id and secret name; `None` when they name none, or one that is no longer
    /// good. The id is the key's UUID, or `key_…` as the chat API shows it.
    ///
    /// # Errors
    /// 429 when the key's limit is spent, or the client's address has made up too many secrets; 503 when the database
    /// cannot be reached.
    pub async fn issue_token(
        &self,
        client_id: &str,
        client_secret: &str,
        address: Option<IpAddr>,
    ) -> Result<Option<AccessToken>, Rejection> {
        let id = KeyId::from_agntix(client_id).or_else(|| client_id.parse().ok());
        let (Some(key), Some(id)) = (ApiKey::parse(client_secret), id) else { return Ok(None) };
        let now = self.clock.now();
        let directory = self.store.directory();
        let lookup = Lookup::Key(key.hash());
        let found = self.limiter.lookups().counted(address, lookup, directory.key(key.hash())).await?;
        let Some(record) = found else { return Ok(None) };
        if record.id != id || record.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let Some(organization) = self.store.directory().organization(record.org).await? else { return Ok(None) };
        if organization.disabled_at.is_some() {
            return Ok(None);
        }
        let credential = Credential::ApiKey(record.id);
        self.limiter
            .count(Class::Write, record.org, &organization.rate_limits, &credential, None)
            .map_err(Rejection::RateLimited)?;

        let token = ApiKey::generate(&PREFIX.parse().map_err(|_| Rejection::Internal)?, &self.mint);
        let ends = record.expires_at.map_or(now + LIFETIME, |end| end.min(now + LIFETIME));
        self.store.directory().keep_access_token(token.hash(), key.hash(), now, ends).await?;
        Ok(Some(AccessToken { token, expires_in: (ends - now).num_seconds() }))
    }
}

/// A caller who shows a token; `None` when it is none.
pub(super) async fn authenticate(
    authenticator: &Authenticator,
    token: &ApiKey,
    address: Option<IpAddr>,
) -> Result<Option<Principal>, Rejection> {
    let hash = token.hash();
    let directory = authenticator.store.directory();
    let look = directory.access_token(hash);
    let Some(record) = authenticator.limiter.lookups().counted(address, Lookup::AccessToken(hash), look).await? else {
        return Ok(None);
    };
    let KeyRecord { org, id, scopes, expires_at } = *record;
    let bad = || Rejection::Unauthenticated(Unauthenticated::BadToken);
    if expires_at.is_none_or(|end| end <= authenticator.clock.now()) {
        return Err(bad());
    }
    let organization =
        directory.organization(org).await?.filter(|organization| organization.disabled_at.is_none()).ok_or_else(bad)?;
    let (credential, proof) = (Credential::ApiKey(id), Proof::AccessToken(hash));
    Ok(Some(Principal { organization, credential, scopes, proof, expires_at }))
}
