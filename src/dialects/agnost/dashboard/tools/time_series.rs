//! `POST /dashboard/api/tool-time-series` (docs/dialects/agnost.md).

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::figures::{MAX_NAMES, MAX_POINTS, Point, grouped, is_call, series};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{Breakdown, Figure, Figures, Grain};

/// The figures of the tools over time.
#[derive(Serialize, ToSchema)]
pub struct ToolSeries {
    series: Vec<OneTool>,
    /// The length of time of a point.
    bucket_seconds: i64,
    /// Whether the response is complete. It has at most 500 tools and the newest 10,000 points.
    complete: bool,
}

/// The figures of one tool over time.
#[derive(Serialize, ToSchema)]
struct OneTool {
    name: String,
    /// Points with calls, oldest first.
    points: Vec<Point>,
}

impl ToolSeries {
    pub fn of(figures: &Figures, grain: Grain) -> Self {
        // The figures are newest first, so that the oldest points are left out.
        let mut calls = figures.rows.iter().filter(|figure| is_call(figure));
        let shown: Vec<&Figure> = calls.by_ref().take(MAX_POINTS).collect();
        let tools = grouped(shown, |figure| figure.name.as_str());
        let complete = figures.complete && calls.next().is_none() && tools.len() <= MAX_NAMES;
        let series = tools
            .into_iter()
            .take(MAX_NAMES)
            .map(|(name, figures)| OneTool { name: name.to_owned(), points: series(figures) })
            .collect();
        Self { series, bucket_seconds: grain.seconds(), complete }
    }
}

/// Tool time series
///
/// The figures of the tools over time: per second for the last minute, per minute for the last hour, per hour up to a
/// week, per day beyond.
#[utoipa::path(
    post,
    path = "/dashboard/api/tool-time-series",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "A series per tool.", body = ToolSeries),
    )
)]
#[tracing::instrument(name = "agnost.tool_time_series", level = "debug", skip_all)]
pub async fn tool_time_series(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<ToolSeries>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let grain = asked.range.grain();
    let figures = caller.store.captures().figures(&asked.filter, Breakdown::NamesOverTime(grain)).await?;
    Ok(Reply(StatusCode::OK, ToolSeries::of(&figures, grain)))
}
