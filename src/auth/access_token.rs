//! Access tokens of the client-credentials grant (RFC 6749, section 4.4), which Vectara's clients use: opaque, valid
//! for half an hour and for that dialect only. The client is an API key: its id is the client id, and the key itself is
//! the secret.
//!
//! A token has the form of a key, with a checksum, and its own prefix. Only its SHA-256 is stored. It ends with its
//! key, and has the key's scopes.

use std::net::IpAddr;

use chrono::TimeDelta;

use super::authenticator::Authenticator;
use crate::domain::{ApiKey, Credential, KeyId, Principal, Proof};
use crate::http::{Class, Lookup, OrgLimits, Rejection, Unauthenticated};

/// The part before a token's underscore.
const PREFIX: &str = "vat";
/// How long a token is valid.
const LIFETIME: TimeDelta = TimeDelta::minutes(30);

/// A new token, to be shown once.
pub struct AccessToken {
    pub token: ApiKey,
    /// How long it is valid, in whole seconds.
    pub expires_in: i64,
}

/// Returns whether a text can be a token.
pub(super) fn looks_like_one(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('_'))
}

impl Authenticator {
    /// Returns a new token for a key's id and secret, or `None` when they are wrong or the key is no longer valid. The
    /// id is the key's UUID, or `key_…` as in the chat API.
    ///
    /// # Errors
    /// 403 when the key may not be used from the client's address; 429 when the key's rate limit is used up, or the client's address has tried too many unknown secrets; 503 when
    /// the database cannot be reached.
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
        let Some(organization) = directory.active_organization(record.org).await? else { return Ok(None) };
        self.use_key(&record, address)?;
        let credential = Credential::ApiKey(record.id);
        self.limiter
            .count(Class::Write, &OrgLimits::from(&*organization), &credential, None)
            .map_err(Rejection::RateLimited)?;

        let token = ApiKey::generate(&PREFIX.parse().map_err(|_| Rejection::Internal)?, &self.mint);
        let ends = record.expires_at.map_or(now + LIFETIME, |end| end.min(now + LIFETIME));
        directory.keep_access_token(record.org, (token.hash(), key.hash()), now, ends).await?;
        Ok(Some(AccessToken { token, expires_in: (ends - now).num_seconds() }))
    }
}

/// Returns the caller that a token belongs to, or `None` when the text is not a token.
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
    let bad = || Rejection::Unauthenticated(Unauthenticated::BadToken);
    if record.expires_at.is_none_or(|end| end <= authenticator.clock.now()) {
        return Err(bad());
    }
    let organization = directory.active_organization(record.org).await?.ok_or_else(bad)?;
    authenticator.use_key(&record, address)?;
    Ok(Some(Principal {
        organization,
        credential: Credential::ApiKey(record.id),
        scopes: record.scopes,
        proof: Proof::AccessToken(hash),
        expires_at: record.expires_at,
        allowed_addresses: record.allowed_addresses.clone(),
        address,
    }))
}
