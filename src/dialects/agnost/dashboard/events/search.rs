//! `POST /dashboard/api/spotlight-search` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::events::log_page::{LogPage, page};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{LogKind, MAX_PAGE_BYTES};

/// Spotlight search
///
/// The events whose name, input or output contain `query`, in any case, newest first. This is a text search without a
/// model.
#[utoipa::path(
    post,
    path = "/dashboard/api/spotlight-search",
    request_body = QueryFilters,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page of events.", body = LogPage),
    )
)]
#[tracing::instrument(name = "agnost.spotlight_search", level = "debug", skip_all)]
pub async fn spotlight_search(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<LogPage>, AgnostError> {
    let mut asked = Asked::read(request, caller.now()).await?;
    let query = asked.query.take().ok_or(AgnostError::Invalid("query must be a non-empty string"))?;
    asked.filter.search = Some(query);
    Ok(Reply(StatusCode::OK, page(&caller, &asked, LogKind::All, MAX_PAGE_BYTES).await?))
}
