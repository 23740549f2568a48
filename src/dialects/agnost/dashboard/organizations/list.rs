//! `GET /dashboard/api/organizations` (docs/dialects/agnost.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::organizations::organization::{Organization, own};
use crate::dialects::agnost::dashboard::person::person;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

/// Organizations
///
/// The organization that the token names.
#[utoipa::path(
    get,
    path = "/dashboard/api/organizations",
    security(("bearer" = [])),
    responses((status = 200, description = "The caller's organization.", body = Vec<Organization>))
)]
#[tracing::instrument(name = "agnost.organizations", level = "debug", skip_all)]
pub async fn organizations(
    caller: Caller<Agnost, purpose::ReadSessions>,
) -> Result<Reply<Vec<Organization>>, AgnostError> {
    person(&caller)?;
    Ok(Reply(StatusCode::OK, vec![own(&caller, None).await?]))
}
