//! `PUT /dashboard/api/organizations/{id}` (docs/dialects/agnost.md).

use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::organizations::organization::{Organization, is_own, own};
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::JsonField;
use crate::http::{JsonBody, PathOf, Reply};

/// Characters of a name.
const NAME_LIMIT: usize = 200;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OrganizationChange {
    /// 1 to 200 characters; unchanged if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
}

/// Update organization
#[utoipa::path(
    put,
    path = "/dashboard/api/organizations/{id}",
    params(("id" = Uuid, Path)),
    request_body = OrganizationChange,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The current organization.", body = Organization),
        (status = 403, description = "The user is not an administrator of the organization."),
        (status = 404, description = "Not the caller's organization."),
    )
)]
#[tracing::instrument(name = "agnost.update_organization", level = "debug", skip_all)]
pub async fn update_organization(
    caller: Caller<Agnost, purpose::Manage>,
    path: PathOf<Agnost, String>,
    change: JsonBody<Agnost, OrganizationChange>,
) -> Result<Reply<Organization>, AgnostError> {
    person(&caller)?;
    is_own(&caller, &path.0)?;
    let name = match &change.0.name {
        JsonField::Absent | JsonField::Null => None,
        JsonField::String(name) if (1..=NAME_LIMIT).contains(&name.chars().count()) => Some(name.clone()),
        _ => return Err(AgnostError::Invalid("name must be a string of 1 to 200 characters")),
    };
    if let Some(name) = &name {
        caller.store.dashboard().rename(name).await?;
    }
    Ok(Reply(StatusCode::OK, own(&caller, name).await?))
}
