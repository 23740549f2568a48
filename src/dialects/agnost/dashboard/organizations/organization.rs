//! The caller's organization.
//!
//! A token names one organization, so that is the one its user belongs to here. Organizations are created and disabled by
//! the operator of the deployment.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, Purpose};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::http::Rejection;

/// An organization.
#[derive(Serialize, ToSchema)]
pub struct Organization {
    id: Uuid,
    name: String,
    /// Always `self_hosted`.
    #[schema(example = "self_hosted")]
    subscription: &'static str,
    #[schema(value_type = String)]
    created_at: Milliseconds,
}

/// Returns the caller's organization, with its new name if it was just renamed.
pub async fn own<P: Purpose>(caller: &Caller<Agnost, P>, name: Option<String>) -> Result<Organization, AgnostError> {
    let founded = caller.store.dashboard().founded_at().await?;
    Ok(Organization {
        id: caller.store.org().0,
        name: name.unwrap_or_else(|| caller.principal.organization.name.clone()),
        subscription: "self_hosted",
        created_at: Milliseconds(founded.ok_or(Rejection::Internal)?),
    })
}

/// Checks that the path names the caller's organization.
///
/// # Errors
/// [`AgnostError::Missing`] (404) for any other organization, whether it exists or not.
pub fn is_own<P: Purpose>(caller: &Caller<Agnost, P>, id: &str) -> Result<(), AgnostError> {
    let same = parse_hyphenated_uuid(id) == Some(caller.store.org().0);
    if same { Ok(()) } else { Err(AgnostError::Missing("Organization")) }
}
