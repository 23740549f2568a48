//! `POST /sessionary/v1/organizations`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use utoipa::ToSchema;

use super::organization::{WireDescribed, WireOrganization, admit, failed};
use crate::auth::{Caller, Operators, purpose};
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{OrgId, Responder};
use crate::http::Rejection;
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::admin::NewOrganization;

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct CreateOrganization {
    /// 1 to 200 characters.
    #[schema(example = "Acme")]
    name: String,
    /// Its id at the identity provider; 1 to 255 characters.
    #[schema(example = "org_2abc123")]
    external_id: Option<String>,
    /// The identity provider's name, as its tokens have it in `iss`; needed where the deployment trusts several.
    issuer: Option<String>,
}

/// Create an organization
///
/// For operators.
#[utoipa::path(
    post,
    path = "/sessionary/v1/organizations",
    params(IdempotencyKeyHeader),
    request_body = CreateOrganization,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The organization.", body = WireOrganization, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 403, description = "The caller is no operator."),
        (status = 409, description = "Another organization has the external id."),
        (status = 422, description = "The body is not valid."),
    )
)]
pub async fn create_organization(
    State(operators): State<Operators>,
    caller: Caller<Sessionary, purpose::Manage>,
    request: Idempotent<Sessionary, Members>,
) -> Response {
    request.respond(caller, async move |caller, body| create(operators, caller, body).await).await
}

#[tracing::instrument(name = "sessionary.create_organization", level = "debug", skip_all)]
async fn create(
    operators: Operators,
    caller: Caller<Sessionary, purpose::Manage>,
    mut body: Members,
) -> Result<VersionedAs<WireOrganization, WireDescribed>, SessionaryError> {
    let admin = admit(&operators, &caller)?;
    let name = body.text("name", 1..=200);
    let name = body.required("name", name);
    let external_id = body.text("external_id", 1..=255).set();
    let issuer = body.text("issuer", 1..=2_048).set();
    let trusted = operators.issuers();
    if issuer.is_some() && external_id.is_none() {
        body.fault("issuer", "needs an external_id");
    }
    if external_id.is_some() && issuer.is_none() && trusted.default.is_none() && trusted.count > 1 {
        // An id for every issuer would let each name the organizations of the others.
        body.fault("issuer", "is required, because the deployment trusts several");
    }
    body.finish()?;

    let id = OrgId(caller.mint.uuid());
    let new = NewOrganization {
        id,
        name: &name.ok_or(Rejection::Internal)?,
        external_id: external_id.as_deref(),
        issuer: issuer.as_deref().or(trusted.default.as_deref()).unwrap_or_default(),
        responder: &Responder::None,
        created_at: caller.now(),
    };
    // An earlier attempt at the same request may have made it.
    let made = match admin.organization_details(id).await {
        Ok(details) => details,
        Err(_) => {
            admin.create_organization(&new).await.map_err(failed)?;
            admin.organization_details(id).await.map_err(failed)?
        }
    };
    Ok(VersionedAs { status: StatusCode::CREATED, body: (&made).into(), version: (&made).into() })
}
