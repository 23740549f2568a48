//! Callers that show a Bearer token of an identity provider, and the organization that it names.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticator::Authenticator;
use super::jwt::{Claims, JwtSettings, JwtVerifier};
use super::provisioning::is_external_id;
use crate::domain::{Actor, Credential, Identity, OrgId, Organization, Principal, Proof};
use crate::http::{Forbidden, Lookup, Rejection};

/// Returns the caller that a token names.
///
/// # Errors
/// 401 when the token is not valid; 403 when it names no organization of this service, or a disabled one; 429 when the
/// client's address has named too many organizations that do not exist; 503 when the issuer's keys, or the database,
/// cannot be reached.
pub(super) async fn authenticate(
    authenticator: &Authenticator,
    verifier: &JwtVerifier,
    token: &str,
    address: Option<IpAddr>,
) -> Result<Principal, Rejection> {
    let (issuer, claims) = verifier.verify(authenticator.clock.now(), token).await?;
    let is_only = verifier.issuers().len() == 1;
    let organization = organization(authenticator, issuer, is_only, &claims, address).await?;
    Ok(Principal {
        organization: organization.ok_or(Rejection::Forbidden(Forbidden::Organization))?,
        scopes: claims.scopes(issuer.role_claim.as_deref()),
        credential: Credential::Jwt { subject: claims.subject(), issuer: claims.issuer.clone() },
        proof: Proof::NotKept,
        expires_at: claims.ends(),
        allowed_addresses: None,
        address,
    })
}

/// Returns the organization that a verified token names; `None` where there is none, or where it is disabled.
///
/// An external id that is registered for the token's issuer comes first, because it is what the issuer vouches for. The
/// only issuer of a deployment may also name organizations by external ids that are registered for every issuer, and by
/// their UUIDs; of several issuers, each has organizations of its own.
async fn organization(
    authenticator: &Authenticator,
    settings: &JwtSettings,
    is_only: bool,
    claims: &Claims,
    address: Option<IpAddr>,
) -> Result<Option<Arc<Organization>>, Rejection> {
    let Some(named) = claims.organization(settings.org_claim.as_deref()) else { return Ok(None) };
    let issuer = &claims.issuer;
    let look = || async {
        let directory = authenticator.store.directory();
        let id = if is_only {
            let id = directory.external_id(issuer, named.id).await?;
            id.or_else(|| named.id.parse::<OrgId>().ok())
        } else {
            directory.own_external_id(issuer, named.id).await?
        };
        match id {
            Some(id) => directory.organization(id).await,
            None => Ok(None),
        }
    };
    let provisioning = authenticator.provisioning.as_ref();
    let provisioning = provisioning.filter(|_| settings.provisions && is_external_id(named.id));
    let found = match provisioning {
        Some(provisioning) => match look().await? {
            None => {
                let identity = Identity::Token { subject: claims.subject(), issuer: issuer.clone() };
                let at = authenticator.clock.now();
                let actor = Actor { identity, address, request_id: None, at: Some(at) };
                provisioning.make((OrgId(authenticator.mint.uuid()), at), issuer, &named, actor).await?;
                look().await?
            }
            found => found,
        },
        None => {
            let lookup = Lookup::Organization(issuer.clone(), named.id.to_owned());
            authenticator.limiter.lookups().counted(address, lookup, look()).await?
        }
    };
    Ok(found.filter(|organization| organization.disabled_at.is_none()))
}
