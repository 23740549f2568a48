//! The tools of an organization: `tool-stats`, `tool-time-series`, `tool-error-distribution`, `tool-checkpoint-stats`,
//! and all of them in `tools-dashboard` (docs/dialects/agnost.md). The vendor's page shows no bodies; these are this
//! service's own.

use std::collections::HashMap;

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::events::event::CapturedEvent;
use super::super::{Agnost, AgnostError};
use super::figures::{MAX_NAMES, MAX_POINTS, Named, Point, by_name, grouped, is_call, series};
use super::filters::{Asked, QueryFilters};
use crate::auth::{Caller, purpose};
use crate::http::Reply;
use crate::store::{Breakdown, Figure, Figures, Grain, PageLimit};

type Reader = Caller<Agnost, purpose::ReadEvents>;

/// The newest errors of the window that are grouped by their texts.
const SAMPLED_ERRORS: i64 = 1_000;
/// Texts of errors in one response.
const MAX_MESSAGES: usize = 50;
/// Characters of an error's text by which errors are grouped.
const MESSAGE_LENGTH: usize = 200;

/// The figures of the tools.
#[derive(Serialize, ToSchema)]
pub struct ToolStats {
    /// At most the 500 most used tools.
    tool_stats: Vec<Named>,
    /// Whether every call of the window was counted. Filters by connection, client, metadata or text only cover the
    /// newest 20,000 events.
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
    fn of(figures: &Figures, grain: Grain) -> Self {
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

/// The tools that fail, and the texts of their errors.
#[derive(Serialize, ToSchema)]
pub struct ErrorDistribution {
    /// Tools that failed.
    tools: Vec<Named>,
    /// The most frequent texts of the newest 1,000 errors of the window, of at most 4 MiB.
    messages: Vec<ErrorText>,
    complete: bool,
}

#[derive(Serialize, ToSchema)]
struct ErrorText {
    /// The first 200 characters of the call's output.
    message: String,
    count: usize,
}

async fn distribution(caller: &Reader, asked: &Asked, figures: &Figures) -> Result<ErrorDistribution, AgnostError> {
    let newest = caller.store.captures().log(&asked.filter, true, None, PageLimit::rows(SAMPLED_ERRORS)).await?;
    let mut counts: HashMap<String, usize> = HashMap::new();
    for row in newest.rows {
        if matches!(row.kind.as_str(), "tool" | "resource" | "prompt") {
            let text = CapturedEvent::of(row)?.output().chars().take(MESSAGE_LENGTH).collect();
            *counts.entry(text).or_default() += 1;
        }
    }
    let mut messages: Vec<ErrorText> =
        counts.into_iter().map(|(message, count)| ErrorText { message, count }).collect();
    messages.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.message.cmp(&b.message)));
    messages.truncate(MAX_MESSAGES);
    let mut tools = by_name(figures.rows.iter().filter(|figure| is_call(figure)));
    tools.retain(|tool| tool.errors() > 0);
    tools.sort_by_key(|tool| std::cmp::Reverse(tool.errors()));
    Ok(ErrorDistribution { tools, messages, complete: figures.complete })
}

/// How long calls take to reach their checkpoints.
#[derive(Serialize, ToSchema)]
pub struct Checkpoints {
    /// Of the newest 2,500 events of the window.
    checkpoints: Vec<Checkpoint>,
}

#[derive(Serialize, ToSchema)]
struct Checkpoint {
    tool: String,
    name: String,
    count: i64,
    /// Milliseconds from the beginning of the call.
    average: f64,
    /// Milliseconds from the beginning of the call.
    max: f64,
}

async fn checkpoints(caller: &Reader, asked: &Asked) -> Result<Checkpoints, AgnostError> {
    let rows = caller.store.captures().checkpoints(&asked.filter).await?;
    let checkpoints = rows
        .into_iter()
        .map(|row| Checkpoint {
            tool: row.tool,
            name: row.checkpoint,
            count: row.count,
            average: row.mean_ms,
            max: row.max_ms,
        })
        .collect();
    Ok(Checkpoints { checkpoints })
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
pub async fn tool_stats(caller: Reader, request: Request) -> Result<Reply<ToolStats>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let figures = caller.store.captures().figures(&asked.filter, Breakdown::Names).await?;
    Ok(Reply(StatusCode::OK, ToolStats::of(&figures)))
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
pub async fn tool_time_series(caller: Reader, request: Request) -> Result<Reply<ToolSeries>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let grain = asked.range.grain();
    let figures = caller.store.captures().figures(&asked.filter, Breakdown::NamesOverTime(grain)).await?;
    Ok(Reply(StatusCode::OK, ToolSeries::of(&figures, grain)))
}

/// Tool error distribution
///
/// The tools that fail, and the texts of their errors.
#[utoipa::path(
    post,
    path = "/dashboard/api/tool-error-distribution",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Tools and texts, the most frequent first.", body = ErrorDistribution),
    )
)]
#[tracing::instrument(name = "agnost.tool_error_distribution", level = "debug", skip_all)]
pub async fn tool_error_distribution(
    caller: Reader,
    request: Request,
) -> Result<Reply<ErrorDistribution>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let figures = caller.store.captures().figures(&asked.filter, Breakdown::Names).await?;
    Ok(Reply(StatusCode::OK, distribution(&caller, &asked, &figures).await?))
}

/// Tool checkpoint stats
///
/// How long calls took to reach each of their checkpoints.
#[utoipa::path(
    post,
    path = "/dashboard/api/tool-checkpoint-stats",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The checkpoints, by tool and name.", body = Checkpoints),
    )
)]
#[tracing::instrument(name = "agnost.tool_checkpoint_stats", level = "debug", skip_all)]
pub async fn tool_checkpoint_stats(caller: Reader, request: Request) -> Result<Reply<Checkpoints>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    Ok(Reply(StatusCode::OK, checkpoints(&caller, &asked).await?))
}

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
pub async fn tools_dashboard(caller: Reader, request: Request) -> Result<Reply<ToolsDashboard>, AgnostError> {
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
