//! The `x-org-id` header, a public routing id. Alone it only permits capturing; with another credential it selects the
//! organization.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticator::Authenticator;
use crate::domain::{ApiName, Credential, DialectName, OrgId, Organization, Principal, Proof, Scope};
use crate::http::{Class, Forbidden, Rejection, Unauthenticated};

const NAME: &str = "x-org-id";
/// Limit of the characters of an external id.
const LONGEST: usize = 200;

/// Returns the caller for a request with only `x-org-id`. If the organization is not cached, the client's address is
/// counted before the database is queried, because nothing else limits requests with invented organizations.
///
/// # Errors
/// 400 when it is not a UUID; 401 when the organization is unknown, disabled, or does not accept unauthenticated
/// captures; 429 when the client's address has sent too many.
pub(super) async fn alone(
    authenticator: &Authenticator,
    text: &str,
    address: Option<IpAddr>,
) -> Result<Principal, Rejection> {
    let id: OrgId = text.parse().map_err(|_| Rejection::MalformedHeader(NAME))?;
    let directory = authenticator.store.directory();
    if !directory.remembers(id) {
        authenticator.limiter.count_stranger(Class::Capture, address).map_err(Rejection::RateLimited)?;
    }
    let organization: Arc<Organization> = directory
        .active_organization(id)
        .await?
        .filter(|organization| organization.capture_open)
        .ok_or(Rejection::Unauthenticated(Unauthenticated::BadOrg))?;
    let scopes = [Scope::Capture].into_iter().collect();
    Ok(Principal {
        organization,
        credential: Credential::OrgHeader,
        scopes,
        proof: Proof::NotKept,
        expires_at: None,
        allowed_addresses: None,
        address,
    })
}

/// Checks that the organization of another credential is the one in the header.
///
/// # Errors
/// 400 when the header cannot be an organization (in the Agnost dialect: is not a UUID), 403 when it is another
/// organization.
pub(super) fn select(api: ApiName, text: &str, proved: &Organization) -> Result<(), Rejection> {
    let well_formed = match api {
        ApiName::Dialect(DialectName::Agnost) => text.parse::<OrgId>().is_ok(),
        _ => (1..=LONGEST).contains(&text.len()),
    };
    if !well_formed {
        Err(Rejection::MalformedHeader(NAME))
    } else if proved.answers_to(text) {
        Ok(())
    } else {
        Err(Rejection::Forbidden(Forbidden::Organization))
    }
}
