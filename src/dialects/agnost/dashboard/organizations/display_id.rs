//! `GET /dashboard/api/organization/displayId` (docs/dialects/agnost.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

#[derive(Serialize, ToSchema)]
pub struct DisplayId {
    #[schema(example = "org_2abc123")]
    display_id: String,
}

/// Display id
///
/// A name of the organization for pages that should not show its UUID.
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/displayId",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The id.", body = DisplayId))
)]
#[tracing::instrument(name = "agnost.display_id", level = "debug", skip_all)]
pub async fn display_id(caller: Caller<Agnost, purpose::ReadSessions>) -> Result<Reply<DisplayId>, AgnostError> {
    let organization = &caller.principal.organization;
    // Without an external id, eight digits of a hash distinguish organizations and do not reveal the UUID.
    let hashed = || {
        let digest = Uuid::new_v5(&Uuid::NAMESPACE_OID, organization.id.0.as_bytes()).simple().to_string();
        format!("org_{}", &digest[..8])
    };
    let display_id = organization.external_id.clone().unwrap_or_else(hashed);
    Ok(Reply(StatusCode::OK, DisplayId { display_id }))
}
