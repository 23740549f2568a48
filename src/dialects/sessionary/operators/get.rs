//! `GET /sessionary/v1/organizations/{organization_id}`.

use axum::extract::State;
use http::StatusCode;

use super::organization::{WireDescribed, WireOrganization, admit, failed, id_of};
use crate::auth::{Caller, Operators, purpose};
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;

/// Get an organization
///
/// For operators.
#[utoipa::path(
    get,
    path = "/sessionary/v1/organizations/{organization_id}",
    params(("organization_id" = uuid::Uuid, Path, description = "The organization's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The organization.", body = WireOrganization, headers(("ETag" = String, description = "The version, for `If-Match`. The stored bytes are not a part of it."))),
        (status = 403, description = "The caller is no operator."),
    )
)]
#[tracing::instrument(name = "sessionary.get_organization", level = "debug", skip_all)]
pub async fn get_organization(
    State(operators): State<Operators>,
    caller: Caller<Sessionary, purpose::ReadSettings>,
    path: PathOf<Sessionary, String>,
) -> Result<VersionedAs<WireOrganization, WireDescribed>, SessionaryError> {
    let admin = admit(&operators, &caller)?;
    let details = admin.organization_details(id_of(&path.0)?).await.map_err(failed)?;
    Ok(VersionedAs { status: StatusCode::OK, body: (&details).into(), version: (&details).into() })
}
