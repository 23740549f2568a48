//! `POST /dashboard/api/raw-logs`, its count, `errors` and `spotlight-search`: events of all conversations, newest
//! first (docs/dialects/agnost.md). The vendor's page shows no bodies; these are this service's own.

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::events::event::CapturedEvent;
use super::super::{Agnost, AgnostError};
use super::filters::{Asked, CursorText, QueryFilters};
use crate::auth::{Caller, purpose};
use crate::http::Reply;
use crate::store::{Breakdown, COUNT_LIMIT, MAX_PAGE_BYTES};

/// A page of events, newest first.
#[derive(Serialize, ToSchema)]
pub struct LogPage {
    logs: Vec<CapturedEvent>,
    /// The number of events; 10,000 means that many or more. With a search, the matches among the 500 newest events
    /// that may match, or those on the page if they are more; `next_cursor` continues the search.
    total: i64,
    page: i64,
    page_size: i64,
    /// The cursor of the next page; absent on the last page. A page may have fewer events than `page_size` without
    /// being the last. It has at most 4 MiB. If no index finds the events, it covers 20,000 events: with filters by
    /// connection, client or metadata, and with a search of fewer than three characters, or two in a script without
    /// spaces. If a page is cut, `next_cursor` continues it. The cut does not move the next `page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next_cursor: Option<CursorText>,
}

pub async fn page(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    asked: &Asked,
    errors_only: bool,
    bytes: usize,
) -> Result<LogPage, AgnostError> {
    let page =
        caller.store.captures().log(&asked.filter, errors_only, asked.cursor, asked.limit().within(bytes)).await?;
    Ok(LogPage {
        logs: page.rows.into_iter().map(CapturedEvent::of).collect::<Result<_, _>>()?,
        total: page.total.min(COUNT_LIMIT),
        page: asked.page,
        page_size: asked.page_size,
        next_cursor: page.next.map(CursorText),
    })
}

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
    Ok(Reply(StatusCode::OK, page(&caller, &asked, false, MAX_PAGE_BYTES).await?))
}

/// Errors
///
/// Every event that failed, newest first.
#[utoipa::path(
    post,
    path = "/dashboard/api/errors",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A page of events.", body = LogPage),
    )
)]
#[tracing::instrument(name = "agnost.errors", level = "debug", skip_all)]
pub async fn errors(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<LogPage>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    Ok(Reply(StatusCode::OK, page(&caller, &asked, true, MAX_PAGE_BYTES).await?))
}

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
    Ok(Reply(StatusCode::OK, page(&caller, &asked, false, MAX_PAGE_BYTES).await?))
}

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
