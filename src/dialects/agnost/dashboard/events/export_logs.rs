//! `POST /dashboard/api/raw-logs/export` (docs/dialects/agnost.md).

use axum::extract::{Request, State};
use axum::response::Response;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::events::export::export;
use crate::dialects::agnost::dashboard::filters::QueryFilters;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::CostlyWork;
use crate::store::LogKind;

/// Raw logs as CSV
///
/// Every event of the window, newest first. `page` and `page_size` are ignored.
#[utoipa::path(
    post,
    path = "/dashboard/api/raw-logs/export",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A CSV file in UTF-8, with a byte order mark.", body = String, content_type = "text/csv"),
    )
)]
#[tracing::instrument(name = "agnost.export_raw_logs", level = "debug", skip_all)]
pub async fn export_raw_logs(
    State(costly): State<CostlyWork>,
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Response, AgnostError> {
    export(costly, caller, request, LogKind::All, "attachment; filename=\"raw-logs.csv\"").await
}
