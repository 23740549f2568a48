//! `POST /dashboard/api/tool-stats` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::figures::{Named, by_name, is_call};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{Breakdown, Figures};

/// The figures of the tools.
#[derive(Serialize, ToSchema)]
pub struct ToolStats {
    /// At most the 500 most used tools.
    tool_stats: Vec<Named>,
    /// Whether every call of the window was counted. Filters by connection, client, metadata or text only cover the
    /// newest 20,000, 10,000 or 4,000 events.
    complete: bool,
}

impl ToolStats {
    pub fn of(figures: &Figures) -> Self {
        Self { tool_stats: by_name(figures.rows.iter().filter(|figure| is_call(figure))), complete: figures.complete }
    }

    pub fn into_rows(self) -> Vec<Named> {
        self.tool_stats
    }
}

/// Tool stats
///
/// How often each tool, resource and prompt was called, how often it failed, and how long it took.
#[utoipa::path(
    post,
    path = "/dashboard/api/tool-stats",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The tools, the most used first.", body = ToolStats),
    )
)]
#[tracing::instrument(name = "agnost.tool_stats", level = "debug", skip_all)]
pub async fn tool_stats(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<ToolStats>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let figures = caller.store.captures().figures(&asked.filter, Breakdown::Names).await?;
    Ok(Reply(StatusCode::OK, ToolStats::of(&figures)))
}
