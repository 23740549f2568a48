//! `POST /dashboard/api/tools-dashboard` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::figures::Named;
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::dashboard::tools::checkpoints::{Checkpoints, checkpoints};
use crate::dialects::agnost::dashboard::tools::errors::{ErrorDistribution, distribution};
use crate::dialects::agnost::dashboard::tools::stats::ToolStats;
use crate::dialects::agnost::dashboard::tools::time_series::ToolSeries;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::Breakdown;

/// All figures of the tools.
#[derive(Serialize, ToSchema)]
pub struct ToolsDashboard {
    tool_stats: Vec<Named>,
    time_series: ToolSeries,
    error_distribution: ErrorDistribution,
    checkpoint_stats: Checkpoints,
}

/// Tools dashboard
///
/// Tool stats, time series, error distribution and checkpoint stats in one response.
#[utoipa::path(
    post,
    path = "/dashboard/api/tools-dashboard",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "All figures of the tools.", body = ToolsDashboard),
    )
)]
#[tracing::instrument(name = "agnost.tools_dashboard", level = "debug", skip_all)]
pub async fn tools_dashboard(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<ToolsDashboard>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let grain = asked.range.grain();
    let captures = caller.store.captures();
    let figures = captures.figures(&asked.filter, Breakdown::NamesOverTime(grain)).await?;
    // With many names, the figures over time lack the oldest points.
    let names =
        if figures.complete { figures.by_name() } else { captures.figures(&asked.filter, Breakdown::Names).await? };
    let dashboard = ToolsDashboard {
        tool_stats: ToolStats::of(&names).into_rows(),
        time_series: ToolSeries::of(&figures, grain),
        error_distribution: distribution(&caller, &asked, &names).await?,
        checkpoint_stats: checkpoints(&caller, &asked).await?,
    };
    Ok(Reply(StatusCode::OK, dashboard))
}
