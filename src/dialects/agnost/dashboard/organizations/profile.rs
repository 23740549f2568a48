//! `GET /dashboard/api/profile` (docs/dialects/agnost.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::organizations::organization::{Organization, own};
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

/// The caller.
#[derive(Serialize, ToSchema)]
pub struct Profile {
    /// The token's subject.
    user_id: Option<String>,
    scopes: Vec<String>,
    organization: Organization,
}

/// Profile
#[utoipa::path(
    get,
    path = "/dashboard/api/profile",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller.", body = Profile))
)]
#[tracing::instrument(name = "agnost.profile", level = "debug", skip_all)]
pub async fn profile(caller: Caller<Agnost, purpose::ReadSessions>) -> Result<Reply<Profile>, AgnostError> {
    let user_id = person(&caller)?;
    let organization = own(&caller, None).await?;
    Ok(Reply(StatusCode::OK, Profile { user_id, scopes: caller.principal.scopes.names(), organization }))
}
