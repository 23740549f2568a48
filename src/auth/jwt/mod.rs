//! Bearer tokens: JSON Web Tokens (RFC 7519) of the identity providers that the deployment trusts.
//!
//! An issuer's tokens are verified with its own keys and name organizations of its own. The algorithm comes from the
//! configuration and the key, never from the token alone. `exp` and `iss` are required; `nbf`, `aud`, `azp` and Clerk's
//! `sts` are checked. Time is the service's [`Clock`], with Clerk's five seconds of leeway.
//!
//! [`Clock`]: crate::domain::Clock

mod claims;
mod key;
mod key_set;
mod settings;

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

pub use key::{JwtKey, JwtKeyError};
pub use settings::JwtSettings;

use super::published_keys::KeyMissing;
use crate::domain::{Clock, Timestamp};
use crate::http::{Rejection, Unauthenticated};
use crate::outbound::Client;
use crate::store::StoreError;
use crate::store::admin::AdminStore;
pub(super) use claims::{Claims, NamedOrganization};
use key::{Keys, TokenKey};

/// An identity provider whose tokens are accepted.
pub struct JwtIssuer {
    settings: JwtSettings,
    keys: Keys,
}

/// Verifies tokens. Clones share the keys.
#[derive(Clone)]
pub struct JwtVerifier(Arc<[JwtIssuer]>);

impl fmt::Debug for JwtVerifier {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.issuers()).finish()
    }
}

impl JwtIssuer {
    /// # Errors
    /// When the key cannot be used.
    pub fn new(key: &JwtKey, settings: JwtSettings) -> Result<Self, JwtKeyError> {
        Ok(Self { keys: Keys::new(key, settings.issuer.as_deref())?, settings })
    }

    fn allows(&self, claims: &Claims, now: f64) -> bool {
        let settings = &self.settings;
        claims.is_current(now)
            && !claims.is_pending()
            && (settings.audiences.is_empty() || claims.is_for(&settings.audiences))
            && (settings.authorized_parties.is_empty() || claims.is_from(&settings.authorized_parties))
    }
}

impl JwtVerifier {
    /// Returns a verifier of the tokens of one issuer.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn new(key: &JwtKey, settings: JwtSettings) -> Result<Self, JwtKeyError> {
        Ok(Self::of(vec![JwtIssuer::new(key, settings)?]))
    }

    /// Returns a verifier of the tokens of several issuers, each of its own name.
    #[must_use]
    pub fn of(issuers: Vec<JwtIssuer>) -> Self {
        Self(issuers.into())
    }

    /// Returns what the tokens of each issuer must say.
    pub fn issuers(&self) -> impl ExactSizeIterator<Item = &JwtSettings> {
        self.0.iter().map(|issuer| &issuer.settings)
    }

    /// Fetches the keys that issuers publish, when they are wanted or due, for as long as it is polled.
    pub async fn fetch_keys(&self, admin: &AdminStore, clock: &Clock, client: &Client) {
        let remote = self.0.iter().filter_map(|issuer| match &issuer.keys {
            Keys::Remote(keys) => Some(keys.run(admin, clock, client)),
            Keys::Fixed { .. } => None,
        });
        futures::future::join_all(remote).await;
    }

    /// Returns what the token's issuer is trusted with, and the token's claims.
    ///
    /// # Errors
    /// 401 when the token is not valid; 503 when the issuer's keys cannot be fetched.
    pub(super) async fn verify(&self, now: Timestamp, token: &str) -> Result<(&JwtSettings, Claims), Rejection> {
        let invalid = Rejection::Unauthenticated(Unauthenticated::BadToken);
        let Ok(header) = jsonwebtoken::decode_header(token) else { return Err(invalid) };
        // The service understands no extension, so it must reject a token that marks one as critical, even in an empty
        // list, which no issuer may send (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(invalid);
        }
        // `jsonwebtoken::decode` is not used, because it rejects a token whose `sub`, `aud` or `iss` has another type
        // than it expects, whether or not they are needed.
        let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Map<String, Value>>(token);
        let Some(claims) = claims.ok().and_then(Claims::of) else { return Err(invalid) };
        let Some(issuer) = self.issuer(&claims.issuer) else { return Err(invalid) };
        let key = match issuer.keys.find(&header, &issuer.settings.algorithms, now).await {
            Ok(key) => key,
            Err(KeyMissing::Unknown) => {
                // The id is the client's own text, so it is not logged.
                tracing::debug!(algorithm = ?header.alg, "auth.token_without_key");
                return Err(invalid);
            }
            Err(KeyMissing::Unreachable) => return Err(StoreError::Unavailable.into()),
        };
        let is_signed = is_signed(token, &key, header.alg);
        let now = now.timestamp_millis() as f64 / 1_000.0;
        if is_signed && issuer.allows(&claims, now) { Ok((&issuer.settings, claims)) } else { Err(invalid) }
    }

    /// Returns the issuer of that name, or the one that may have any name.
    fn issuer(&self, name: &str) -> Option<&JwtIssuer> {
        let named = self.0.iter().find(|issuer| issuer.settings.issuer.as_deref() == Some(name));
        named.or_else(|| self.0.iter().find(|issuer| issuer.settings.issuer.is_none()))
    }
}

fn is_signed(token: &str, key: &TokenKey, algorithm: Algorithm) -> bool {
    token.rsplit_once('.').is_some_and(|(message, signature)| {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), key.as_key(), algorithm).unwrap_or(false)
    })
}
