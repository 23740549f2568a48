//! `POST /dashboard/api/dashboard`, `command-center-summary` and `metadata-distribution`: an organization at a glance
//! (apis/agnost, section 3). The vendor's page shows no more than four members of one of them; the rest is ours.

use axum::extract::Request;
use http::StatusCode;
use indexmap::IndexMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::error::Envelope;
use super::super::{Agnost, AgnostError};
use super::figures::{Named, Point, Sums, by_name, is_call, series};
use super::filters::{Asked, QueryFilters};
use super::logs::{self, LogPage};
use super::stories::{self, Stories};
use super::tools::ToolStats;
use crate::auth::{Caller, purpose};
use crate::http::Reply;
use crate::store::{Figures, Grain, MAX_PAGE_BYTES};

type Reader = Caller<Agnost, purpose::ReadEvents>;

/// Bytes of the conversations, and of the errors, in a summary of everything.
const PART_BYTES: usize = MAX_PAGE_BYTES / 4;
/// Values shown of each member of metadata.
const MOST_VALUES: usize = 20;

/// The organization's figures.
#[derive(Serialize, ToSchema)]
pub struct Metrics {
    totals: Totals,
    /// Per day, oldest first, the newest 10,000 days; days on which nothing happened are missing.
    daily: Vec<Point>,
    /// The agents that replied, the busiest first, at most 500.
    agents: Vec<Named>,
    /// Whether every event of the window was counted. Filters by connection, client, metadata or text look at the
    /// newest 20,000.
    complete: bool,
}

/// Sums over the window.
#[derive(Serialize, ToSchema)]
struct Totals {
    /// Conversations that began in the window; 10,000 stands for that many or more.
    conversations: i64,
    /// Events of every kind.
    #[serde(flatten)]
    events: Sums,
    turns: Sums,
    tool_calls: Sums,
}

async fn metrics(caller: &Reader, asked: &Asked, figures: &Figures) -> Result<Metrics, AgnostError> {
    let conversations = caller.store.captures().count_stories(&asked.filter).await?;
    let turns = || figures.rows.iter().filter(|figure| figure.kind == "turn");
    Ok(Metrics {
        totals: Totals {
            conversations,
            events: Sums::of(&figures.rows),
            turns: Sums::of(turns()),
            tool_calls: Sums::of(figures.rows.iter().filter(|figure| is_call(figure))),
        },
        daily: series(&figures.rows),
        agents: by_name(turns()),
        complete: figures.complete,
    })
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
        (status = 400, description = "The body is not as documented.", body = Envelope),
        (status = 401, description = "No credential that holds.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agnost.dashboard", level = "debug", skip_all)]
pub async fn dashboard(caller: Reader, request: Request) -> Result<Reply<Metrics>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let figures = caller.store.captures().figures(&asked.filter, Grain::Day).await?;
    Ok(Reply(StatusCode::OK, metrics(&caller, &asked, &figures).await?))
}

/// The first pages of everything.
#[derive(Serialize, ToSchema)]
pub struct Summary {
    metrics: Metrics,
    user_stories: Stories,
    errors: LogPage,
    tool_stats: Vec<Named>,
}

/// Command center summary
///
/// Figures, conversations, errors and tools in one answer.
#[utoipa::path(
    post,
    path = "/dashboard/api/command-center-summary",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The first pages of everything.", body = Summary),
        (status = 400, description = "The body is not as documented.", body = Envelope),
        (status = 401, description = "No credential that holds.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agnost.command_center_summary", level = "debug", skip_all)]
pub async fn command_center_summary(caller: Reader, request: Request) -> Result<Reply<Summary>, AgnostError> {
    let asked = Asked::read(request, caller.now()).await?;
    let figures = caller.store.captures().figures(&asked.filter, Grain::Day).await?;
    let summary = Summary {
        metrics: metrics(&caller, &asked, &figures).await?,
        user_stories: stories::page(&caller, &asked, PART_BYTES).await?,
        errors: logs::page(&caller, &asked, true, PART_BYTES).await?,
        tool_stats: ToolStats::of(&figures).into_rows(),
    };
    Ok(Reply(StatusCode::OK, summary))
}

/// Which metadata events carry.
#[derive(Serialize, ToSchema)]
pub struct MetadataDistribution {
    /// By member, the most frequent first, of the newest 10,000 events of the window.
    keys: Vec<MetadataKey>,
}

#[derive(Serialize, ToSchema)]
struct MetadataKey {
    key: String,
    /// Events that carry it with one of the values that were counted.
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
/// Which members the metadata of events have, and with which values.
#[utoipa::path(
    post,
    path = "/dashboard/api/metadata-distribution",
    request_body = Option<QueryFilters>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "Members and values, the most frequent first.", body = MetadataDistribution),
        (status = 400, description = "The body is not as documented.", body = Envelope),
        (status = 401, description = "No credential that holds.", body = Envelope),
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
        if key.values.len() < MOST_VALUES {
            key.values.push(MetadataValue { value: row.value, count: row.count });
        }
    }
    let mut keys: Vec<MetadataKey> = keys.into_values().collect();
    keys.sort_by_key(|key| std::cmp::Reverse(key.count));
    Ok(Reply(StatusCode::OK, MetadataDistribution { keys }))
}
