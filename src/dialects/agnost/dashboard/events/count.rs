//! `POST /dashboard/api/raw-logs/count` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::Breakdown;

#[derive(Serialize, ToSchema)]
pub struct Count {
    /// The exact number; null if the filters include a search, a client, a connection type or metadata.
    total_count: Option<i64>,
}

/// Raw logs count
///
/// The number of events of `raw-logs`.
#[utoipa::path(
    post,
    path = "/dashboard/api/raw-logs/count",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The number of events.", body = Count),
    )
)]
#[tracing::instrument(name = "agnost.raw_logs_count", level = "debug", skip_all)]
pub async fn raw_logs_count(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<Count>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let total_count = if asked.filter.is_by_name_only() {
        let figures = caller.store.captures().figures(&asked.filter, Breakdown::Days).await?;
        Some(figures.rows.iter().map(|figure| figure.events).sum())
    } else {
        None
    };
    Ok(Reply(StatusCode::OK, Count { total_count }))
}
