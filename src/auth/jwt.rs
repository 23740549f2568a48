//! Bearer tokens: JSON Web Tokens (RFC 7519) of one identity provider.
//!
//! The algorithm comes from the configuration, never from the token. `exp` and `iss` are required; `nbf`, `aud` and
//! `azp` are checked. Time is the service's [`Clock`], with Clerk's five seconds of leeway.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::DateTime;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::authenticator::Authenticator;
use crate::domain::{Clock, Credential, OrgId, Organization, Principal, Proof, Scopes, Timestamp};
use crate::http::{Forbidden, Lookup, Rejection, Unauthenticated};

/// Seconds by which clocks may differ.
const LEEWAY: f64 = 5.0;

/// What tokens are signed with. A set of keys fetched from the issuer (JWKS) will stand beside these two.
#[derive(Clone, Debug)]
pub enum JwtKey {
    /// HS256.
    Secret(SecretString),
    /// A public key in PEM: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    Pem(String),
}

/// What a token must say.
#[derive(Clone, Debug, Default)]
pub struct JwtSettings {
    /// `iss`; any, if the key itself is all the trust there is.
    pub issuer: Option<String>,
    /// `aud` must hold one of them; any audience if empty.
    pub audiences: Vec<String>,
    /// `azp` must be one of them; any party if empty.
    pub authorized_parties: Vec<String>,
    /// The claim that names the organization, where the provider is not Clerk.
    pub org_claim: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("the public key is no PEM of an RSA, P-256 or Ed25519 key")]
pub struct JwtKeyError;

/// Tells tokens that hold from those that do not.
#[derive(Clone)]
pub struct JwtVerifier {
    key: DecodingKey,
    validation: Validation,
    settings: JwtSettings,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: f64,
    nbf: Option<f64>,
    sub: Option<String>,
    aud: Option<Audience>,
    azp: Option<String>,
    /// Clerk's session token, version 2.
    o: Option<ClerkOrganization>,
    /// Clerk's session token, version 1.
    org_id: Option<String>,
    org_role: Option<String>,
    role: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
struct ClerkOrganization {
    id: String,
    rol: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn meets(&self, wanted: &[String]) -> bool {
        match self {
            Self::One(audience) => wanted.contains(audience),
            Self::Many(audiences) => audiences.iter().any(|audience| wanted.contains(audience)),
        }
    }
}

impl fmt::Debug for JwtVerifier {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl JwtVerifier {
    /// # Errors
    /// When the PEM holds no key of a known kind.
    pub fn new(key: &JwtKey, settings: JwtSettings) -> Result<Self, JwtKeyError> {
        let (algorithm, key) = match key {
            JwtKey::Secret(secret) => (Algorithm::HS256, DecodingKey::from_secret(secret.expose_secret().as_bytes())),
            JwtKey::Pem(pem) => {
                let pem = pem.as_bytes();
                DecodingKey::from_rsa_pem(pem)
                    .map(|key| (Algorithm::RS256, key))
                    .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (Algorithm::ES256, key)))
                    .or_else(|_| DecodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDSA, key)))
                    .map_err(|_| JwtKeyError)?
            }
        };
        let mut validation = Validation::new(algorithm);
        // The library checks the signature; what the claims say is checked below, against the service's own clock.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Ok(Self { key, validation, settings })
    }

    fn verify(&self, clock: &Clock, token: &str) -> Option<Claims> {
        let claims = match jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation) {
            // The service understands no extension, so it must reject a token that marks one as critical, even in an
            // empty list, which no issuer may send (RFC 7515, section 4.1.11).
            Ok(token) if token.header.crit.is_some() => {
                tracing::debug!("auth.token_with_critical_extensions_rejected");
                return None;
            }
            Ok(token) => token.claims,
            Err(error) => {
                // The kind, never the token; a wrong signature is nothing to note.
                if !matches!(error.kind(), ErrorKind::InvalidSignature | ErrorKind::InvalidToken) {
                    tracing::debug!(%error, "auth.token_refused");
                }
                return None;
            }
        };
        let now = clock.now().timestamp_millis() as f64 / 1_000.0;
        let settings = &self.settings;
        let holds = claims.exp > now - LEEWAY
            && claims.nbf.is_none_or(|start| start <= now + LEEWAY)
            && settings.issuer.as_ref().is_none_or(|issuer| *issuer == claims.iss)
            && (settings.audiences.is_empty()
                || claims.aud.as_ref().is_some_and(|audience| audience.meets(&settings.audiences)))
            && (settings.authorized_parties.is_empty()
                || claims.azp.as_ref().is_some_and(|party| settings.authorized_parties.contains(party)));
        holds.then_some(claims)
    }

    /// Returns the caller that a token names.
    ///
    /// # Errors
    /// 401 when the token is not valid; 403 when it names no organization of this service, or a disabled one; 429 when
    /// the client's address has named too many organizations that do not exist.
    pub(super) async fn authenticate(
        &self,
        authenticator: &Authenticator,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<Principal, Rejection> {
        let claims =
            self.verify(&authenticator.clock, token).ok_or(Rejection::Unauthenticated(Unauthenticated::BadToken))?;
        let organization = self.organization(authenticator, &claims, address).await?;
        let role = match &claims.o {
            Some(organization) => organization.rol.as_deref(),
            None => claims.org_role.as_deref().or(claims.role.as_deref()),
        };
        Ok(Principal {
            organization: organization.ok_or(Rejection::Forbidden(Forbidden::Organization))?,
            scopes: Scopes::of_role(role),
            credential: Credential::Jwt { subject: claims.sub.clone() },
            proof: Proof::NotKept,
            expires_at: claims.ends(),
        })
    }

    async fn organization(
        &self,
        authenticator: &Authenticator,
        claims: &Claims,
        address: Option<IpAddr>,
    ) -> Result<Option<Arc<Organization>>, Rejection> {
        let named = match &self.settings.org_claim {
            Some(claim) => claims.custom(claim),
            None => claims.o.as_ref().map(|organization| organization.id.as_str()).or(claims.org_id.as_deref()),
        };
        let Some(named) = named else { return Ok(None) };
        let lookup = Lookup::Organization(claims.iss.clone(), named.to_owned());
        let look = async {
            let directory = authenticator.store.directory();
            // An external id wins: it is what the issuer vouches for.
            let id = match directory.external_id(&claims.iss, named).await? {
                Some(id) => Some(id),
                None => named.parse::<OrgId>().ok(),
            };
            match id {
                Some(id) => directory.organization(id).await,
                None => Ok(None),
            }
        };
        let found = authenticator.limiter.lookups().counted(address, lookup, look).await?;
        Ok(found.filter(|organization| organization.disabled_at.is_none()))
    }
}

impl Claims {
    /// From when on the token is refused; `None` where no calendar reaches that far.
    fn ends(&self) -> Option<Timestamp> {
        DateTime::from_timestamp_millis(((self.exp + LEEWAY) * 1_000.0) as i64)
    }

    fn custom(&self, claim: &str) -> Option<&str> {
        match claim {
            "org_id" => self.org_id.as_deref(),
            "sub" => self.sub.as_deref(),
            "azp" => self.azp.as_deref(),
            _ => self.others.get(claim).and_then(Value::as_str),
        }
    }
}
