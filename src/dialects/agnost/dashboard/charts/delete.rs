//! `DELETE /dashboard/api/dashboard/charts/{id}` (docs/dialects/agnost.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::ids::parse_hyphenated_uuid;
use crate::http::PathOf;

/// Delete chart
#[utoipa::path(
    delete,
    path = "/dashboard/api/dashboard/charts/{id}",
    params(("id" = Uuid, Path)),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The chart was deleted."),
        (status = 404, description = "No such chart."),
    )
)]
#[tracing::instrument(name = "agnost.delete_chart", level = "debug", skip_all)]
pub async fn delete_chart(
    caller: Caller<Agnost, purpose::WriteEvents>,
    path: PathOf<Agnost, String>,
) -> Result<StatusCode, AgnostError> {
    let missing = AgnostError::Missing("Chart");
    let id = parse_hyphenated_uuid(&path.0).ok_or_else(|| missing.clone())?;
    if caller.store.dashboard().delete_chart(id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing) }
}
