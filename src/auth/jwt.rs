//! Bearer tokens: JSON Web Tokens (RFC 7519) of one identity provider.
//!
//! The algorithm comes from the configuration, never from the token. `exp` and `iss` are required; `nbf`, `aud`, `azp` and
//! Clerk's `sts` are checked. Time is the service's [`Clock`], with Clerk's five seconds of leeway.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::DateTime;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};
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
    algorithm: Algorithm,
    key: DecodingKey,
    settings: JwtSettings,
}

/// The claims of a token. Only those that are checked or used have a type; a claim that is not needed may be anything,
/// because identity providers let customers add claims of their own under any name.
struct Claims {
    iss: String,
    exp: f64,
    /// Clerk's session token, version 2.
    o: Option<ClerkOrganization>,
    all: Map<String, Value>,
}

struct ClerkOrganization {
    id: String,
    rol: Option<String>,
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
        Ok(Self { algorithm, key, settings })
    }

    /// Returns the claims of a token with a valid signature, of whatever content.
    ///
    /// `jsonwebtoken::decode` is not used, because it rejects a token whose `sub`, `aud` or `iss` has another type than it
    /// expects, whether or not they are needed.
    fn signed(&self, token: &str) -> jsonwebtoken::errors::Result<Map<String, Value>> {
        let header = jsonwebtoken::decode_header(token)?;
        // The service understands no extension, so it must reject a token that marks one as critical, even in an empty
        // list, which no issuer may send (RFC 7515, section 4.1.11).
        if header.alg != self.algorithm || header.crit.is_some() {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let (message, signature) = token.rsplit_once('.').ok_or(ErrorKind::InvalidToken)?;
        if !jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm)? {
            return Err(ErrorKind::InvalidSignature.into());
        }
        jsonwebtoken::dangerous::insecure_decode_claims(token)
    }

    fn verify(&self, clock: &Clock, token: &str) -> Option<Claims> {
        let claims = match self.signed(token) {
            Ok(claims) => Claims::of(claims)?,
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
            && claims.starts_by(now + LEEWAY)
            && !claims.is_pending()
            && settings.issuer.as_ref().is_none_or(|issuer| *issuer == claims.iss)
            && (settings.audiences.is_empty() || claims.meets(&settings.audiences))
            && (settings.authorized_parties.is_empty()
                || claims.text("azp").is_some_and(|party| settings.authorized_parties.iter().any(|any| any == party)));
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
            None => claims.role(),
        };
        Ok(Principal {
            organization: organization.ok_or(Rejection::Forbidden(Forbidden::Organization))?,
            scopes: Scopes::of_role(role),
            credential: Credential::Jwt { subject: claims.subject() },
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
            Some(claim) => claims.text(claim),
            None => claims.organization(),
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
    /// Returns the claims, or `None` where one that every token must have is missing or has the wrong type.
    fn of(all: Map<String, Value>) -> Option<Self> {
        let iss = all.get("iss")?.as_str()?.to_owned();
        let exp = all.get("exp")?.as_f64()?;
        let o = all.get("o").and_then(ClerkOrganization::of);
        Some(Self { iss, exp, o, all })
    }

    /// Returns a claim that is a string. One of another type counts as absent.
    fn text(&self, claim: &str) -> Option<&str> {
        self.all.get(claim)?.as_str()
    }

    /// Returns a claim unless it is absent or null.
    fn given(&self, claim: &str) -> Option<&Value> {
        self.all.get(claim).filter(|value| !value.is_null())
    }

    /// Returns when the token stops being accepted, or `None` where no calendar reaches that far.
    fn ends(&self) -> Option<Timestamp> {
        DateTime::from_timestamp_millis(((self.exp + LEEWAY) * 1_000.0) as i64)
    }

    /// Returns `true` if the token may be used at `latest`. A start that is no number cannot have come.
    fn starts_by(&self, latest: f64) -> bool {
        self.given("nbf").is_none_or(|start| start.as_f64().is_some_and(|start| start <= latest))
    }

    /// Returns `true` for Clerk's sessions of users who have tasks left before they are signed in, such as the choice of
    /// an organization. Clerk's own SDKs treat them as signed out.
    fn is_pending(&self) -> bool {
        self.text("sts") == Some("pending")
    }

    /// Returns `true` if the audience is one of these, or a list that has one of them.
    fn meets(&self, wanted: &[String]) -> bool {
        let is_wanted = |audience: &Value| audience.as_str().is_some_and(|text| wanted.iter().any(|any| any == text));
        match self.all.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(is_wanted),
            Some(audience) => is_wanted(audience),
            None => false,
        }
    }

    /// Returns the organization of a Clerk session token. One whose `o` cannot be read names none, whatever its other
    /// claims are.
    fn organization(&self) -> Option<&str> {
        match (&self.o, self.given("o")) {
            (Some(organization), _) => Some(organization.id.as_str()),
            (None, Some(_)) => None,
            (None, None) => self.text("org_id"),
        }
    }

    /// Returns the role in a token without `o`: `org_role`, or `role` where that is absent. A role that is no string is
    /// none, so that it gives the fewest scopes.
    fn role(&self) -> Option<&str> {
        self.given("org_role").or_else(|| self.given("role"))?.as_str()
    }

    /// Returns the subject. Some providers number their users.
    fn subject(&self) -> Option<String> {
        match self.all.get("sub")? {
            Value::String(subject) => Some(subject.clone()),
            Value::Number(subject) => Some(subject.to_string()),
            _ => None,
        }
    }
}

impl ClerkOrganization {
    fn of(claim: &Value) -> Option<Self> {
        let id = claim.get("id")?.as_str()?.to_owned();
        Some(Self { id, rol: claim.get("rol").and_then(Value::as_str).map(str::to_owned) })
    }
}
