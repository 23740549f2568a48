//! `POST /dashboard/api/raw-logs` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::events::log_page::{LogPage, page};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{LogKind, MAX_PAGE_BYTES};

/// Raw logs
///
/// Every event, newest first.
#[utoipa::path(
    post,
    path = "/dashboard/api/raw-logs",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page of events.", body = LogPage),
    )
)]
#[tracing::instrument(name = "agnost.raw_logs", level = "debug", skip_all)]
pub async fn raw_logs(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<LogPage>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    Ok(Reply(StatusCode::OK, page(&caller, &asked, LogKind::All, MAX_PAGE_BYTES).await?))
}
