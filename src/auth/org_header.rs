//! `x-org-id`: a public routing id. Alone it captures and nothing more; beside another credential it selects.

use std::net::IpAddr;
use std::sync::Arc;

use super::authenticator::Authenticator;
use crate::domain::{Credential, DialectName, OrgId, Organization, Principal, Proof, Scope};
use crate::http::{Class, Forbidden, Rejection, Unauthenticated};

const NAME: &str = "x-org-id";
/// Characters of an external id.
const LONGEST: usize = 200;

/// A caller who shows `x-org-id` and nothing else. Where the database has to be asked for the organization, the client's
/// address is counted first: nothing else bounds who makes organizations up.
///
/// # Errors
/// 400 when it is no UUID; 401 when the organization is unknown, disabled, or takes no unauthenticated captures;
/// 429.
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
        .organization(id)
        .await?
        .filter(|organization| organization.disabled_at.is_none() && organization.capture_open)
        .ok_or(Rejection::Unauthenticated(Unauthenticated::BadOrg))?;
    let scopes = [Scope::Capture].into_iter().collect();
    Ok(Principal { organization, credential: Credential::OrgHeader, scopes, proof: Proof::NotKept, expires_at: None })
}

/// Holds the organization that another credential proved against the one that the header names.
///
/// # Errors
/// 400 when the header cannot name anything (in the Agnost dialect: is no UUID), 403 when it names somebody else.
pub(super) fn select(dialect: DialectName, text: &str, proved: &Organization) -> Result<(), Rejection> {
    let well_formed = match dialect {
        DialectName::Agnost => text.parse::<OrgId>().is_ok(),
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
