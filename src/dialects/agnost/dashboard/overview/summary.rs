//! `POST /dashboard/api/command-center-summary` (docs/dialects/agnost.md). The vendor's page shows four of its members.

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::conversations::list;
use crate::dialects::agnost::dashboard::conversations::list::Stories;
use crate::dialects::agnost::dashboard::events::log_page;
use crate::dialects::agnost::dashboard::events::log_page::LogPage;
use crate::dialects::agnost::dashboard::figures::Named;
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::dashboard::overview::dashboard::{Metrics, metrics};
use crate::dialects::agnost::dashboard::tools::stats::ToolStats;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{LogKind, MAX_PAGE_BYTES};

/// Bytes of the conversations, and of the errors, in a summary of everything.
const PART_BYTES: usize = MAX_PAGE_BYTES / 4;

/// Figures, and the first pages of conversations, errors and tools.
#[derive(Serialize, ToSchema)]
pub struct Summary {
    metrics: Metrics,
    user_stories: Stories,
    errors: LogPage,
    tool_stats: Vec<Named>,
}

/// Command center summary
///
/// Figures, conversations, errors and tools in one response.
#[utoipa::path(
    post,
    path = "/dashboard/api/command-center-summary",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The figures and the first pages.", body = Summary),
    )
)]
#[tracing::instrument(name = "agnost.command_center_summary", level = "debug", skip_all)]
pub async fn command_center_summary(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<Summary>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let captures = caller.store.captures();
    let overview = captures.overview(&asked.filter).await?;
    let user_stories = list::page(&caller, &asked, PART_BYTES).await?;
    // A page after a cursor counts the same conversations as the first one.
    let metrics = metrics(&overview, user_stories.total());
    let errors = log_page::page(&caller, &asked, LogKind::Errors, PART_BYTES).await?;
    let tool_stats = ToolStats::of(&overview.names).into_rows();
    Ok(Reply(StatusCode::OK, Summary { metrics, user_stories, errors, tool_stats }))
}
