//! `POST /dashboard/api/dashboard` (docs/dialects/agnost.md). The vendor's page shows no body; this one is this service's own.

use axum::extract::Request;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::figures::{Named, Point, Sums, by_name, is_call, series};
use crate::dialects::agnost::dashboard::filters::{Asked, QueryFilters};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;
use crate::store::{Figure, Overview};

/// The organization's figures.
#[derive(Serialize, ToSchema)]
pub struct Metrics {
    totals: Totals,
    /// Per day, oldest first, at most the newest 10,000 days; days without events are missing.
    daily: Vec<Point>,
    /// The agents that replied, the most active first, at most 500.
    agents: Vec<Named>,
    /// Whether every event of the window was counted. Filters by connection, client, metadata or text only cover the
    /// newest 20,000, 10,000 or 4,000.
    complete: bool,
}

/// Sums over the window.
#[derive(Serialize, ToSchema)]
struct Totals {
    /// Conversations that began in the window; 10,000 means that many or more.
    conversations: i64,
    /// Events of every kind.
    #[serde(flatten)]
    events: Sums,
    turns: Sums,
    tool_calls: Sums,
}

/// Returns the figures of an overview with this number of conversations.
pub fn metrics(overview: &Overview, conversations: i64) -> Metrics {
    let days = &overview.days.rows;
    let is_turn = |figure: &&Figure| figure.kind == "turn";
    Metrics {
        totals: Totals {
            conversations,
            events: Sums::of(days),
            turns: Sums::of(days.iter().filter(is_turn)),
            tool_calls: Sums::of(days.iter().filter(|figure| is_call(figure))),
        },
        daily: series(days),
        agents: by_name(overview.names.rows.iter().filter(is_turn)),
        complete: overview.days.complete && overview.names.complete,
    }
}

/// Dashboard
///
/// Totals, days and agents.
#[utoipa::path(
    post,
    path = "/dashboard/api/dashboard",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The organization's figures.", body = Metrics),
    )
)]
#[tracing::instrument(name = "agnost.dashboard", level = "debug", skip_all)]
pub async fn dashboard(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<Metrics>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let captures = caller.store.captures();
    let overview = captures.overview(&asked.filter).await?;
    let conversations = captures.count_stories(&asked.filter).await?;
    Ok(Reply(StatusCode::OK, metrics(&overview, conversations)))
}
