//! `POST /dashboard/api/dashboard`, `command-center-summary` and `metadata-distribution`: overviews of an organization
//! (docs/dialects/agnost.md). The vendor's page only shows four members of one of them; the others are this service's
//! own.

use axum::extract::Request;
use http::StatusCode;
use indexmap::IndexMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{Agnost, AgnostError};
use super::conversations::list::{self, Stories};
use super::events::log_page::{self, LogPage};
use super::figures::{Named, Point, Sums, by_name, is_call, series};
use super::filters::{Asked, QueryFilters};
use super::tools::ToolStats;
use crate::auth::{Caller, purpose};
use crate::http::Reply;
use crate::store::{Figure, MAX_PAGE_BYTES, Overview};

type Reader = Caller<Agnost, purpose::ReadEvents>;

/// Bytes of the conversations, and of the errors, in a summary of everything.
const PART_BYTES: usize = MAX_PAGE_BYTES / 4;
/// Values of each member of metadata.
const MAX_VALUES: usize = 20;

/// The organization's figures.
#[derive(Serialize, ToSchema)]
pub struct Metrics {
    totals: Totals,
    /// Per day, oldest first, at most the newest 10,000 days; days without events are missing.
    daily: Vec<Point>,
    /// The agents that replied, the most active first, at most 500.
    agents: Vec<Named>,
    /// Whether every event of the window was counted. Filters by connection, client, metadata or text only cover the
    /// newest 20,000.
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
fn metrics(overview: &Overview, conversations: i64) -> Metrics {
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
pub async fn dashboard(caller: Reader, request: Request) -> Result<Reply<Metrics>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let captures = caller.store.captures();
    let overview = captures.overview(&asked.filter).await?;
    let conversations = captures.count_stories(&asked.filter).await?;
    Ok(Reply(StatusCode::OK, metrics(&overview, conversations)))
}

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
pub async fn command_center_summary(caller: Reader, request: Request) -> Result<Reply<Summary>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let captures = caller.store.captures();
    let overview = captures.overview(&asked.filter).await?;
    let user_stories = list::page(&caller, &asked, PART_BYTES).await?;
    // A page after a cursor counts the same conversations as the first one.
    let metrics = metrics(&overview, user_stories.total());
    let errors = log_page::page(&caller, &asked, true, PART_BYTES).await?;
    let tool_stats = ToolStats::of(&overview.names).into_rows();
    Ok(Reply(StatusCode::OK, Summary { metrics, user_stories, errors, tool_stats }))
}

/// The members and values of events' metadata.
#[derive(Serialize, ToSchema)]
pub struct MetadataDistribution {
    /// The members, the most frequent first, of the newest 2,500 events of the window.
    keys: Vec<MetadataKey>,
}

#[derive(Serialize, ToSchema)]
struct MetadataKey {
    key: String,
    /// The number of events that have it with one of the counted values.
    count: i64,
    /// Its 20 most frequent values.
    values: Vec<MetadataValue>,
}

#[derive(Serialize, ToSchema)]
struct MetadataValue {
    /// The first 200 characters.
    value: Option<String>,
    count: i64,
}

/// Metadata distribution
///
/// The members of events' metadata and their most frequent values.
#[utoipa::path(
    post,
    path = "/dashboard/api/metadata-distribution",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Members and values, the most frequent first.", body = MetadataDistribution),
    )
)]
#[tracing::instrument(name = "agnost.metadata_distribution", level = "debug", skip_all)]
pub async fn metadata_distribution(
    caller: Reader,
    request: Request,
) -> Result<Reply<MetadataDistribution>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let mut keys: IndexMap<String, MetadataKey> = IndexMap::new();
    for row in caller.store.captures().metadata(&asked.filter).await? {
        let key =
            keys.entry(row.key.clone()).or_insert_with(|| MetadataKey { key: row.key, count: 0, values: Vec::new() });
        key.count += row.count;
        if key.values.len() < MAX_VALUES {
            key.values.push(MetadataValue { value: row.value, count: row.count });
        }
    }
    let mut keys: Vec<MetadataKey> = keys.into_values().collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.count));
    Ok(Reply(StatusCode::OK, MetadataDistribution { keys }))
}
