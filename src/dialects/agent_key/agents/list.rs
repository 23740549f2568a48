//! `GET /v2/agents` (docs/dialects/agent-key.md).

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::name_filter::{NameFilter, Named};
use crate::dialects::agent_key::page_key::{List, PageCursor};
use crate::dialects::agent_key::paging::{self, ListMetadata, SCAN_CHUNK, SCAN_TIME};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::{Agent, AgentId};
use crate::http::{CostlyWork, QueryPairs, Reply};
use crate::store::{AgentFilter, AgentHeading, PageLimit};

#[derive(Serialize, ToSchema)]
pub struct Agents {
    /// Newest first.
    agents: Vec<WireAgent>,
    metadata: ListMetadata,
}

/// List agents
///
/// A page has at most 4 MiB. With `filter`, a page may have fewer agents than `limit` without being the last, because a
/// search stops after a few seconds; `metadata.page_key` continues the list.
#[utoipa::path(
    get,
    path = "/v2/agents",
    params(
        ("filter" = Option<String>, Query, description = "A regular expression that matches anywhere in the name or in the first 1,000 characters of the description. It has at most 1,000 characters, at most 64 KiB when compiled, and neither look-around nor back-references."),
        ("enabled" = Option<bool>, Query, description = "Only enabled agents, or only disabled ones."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 10."),
        ("page_key" = Option<String>, Query, description = "The `metadata.page_key` of the previous page."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agents.", body = Agents),
        (status = 429, description = "Another search of the organization is in progress."),
    )
)]
#[tracing::instrument(name = "agent_key.list_agents", level = "debug", skip_all)]
pub async fn list_agents(
    State(costly): State<CostlyWork>,
    caller: Caller<AgentKeyDialect, purpose::ReadAgents>,
    query: QueryPairs,
) -> Result<Reply<Agents>, AgentKeyError> {
    let limit = paging::limit(&query)?;
    let enabled = paging::boolean(&query, "enabled")?;
    let list = List { name: "agents", org: caller.store.org(), owner: Uuid::nil() };
    let after = paging::page_key(&query).map(|key| list.cursor(key)).transpose()?;
    let filter = NameFilter::of(&query, &costly, list.org).await?;

    let FoundAgents { agents, next } = match filter {
        None => page(&caller, enabled, after, limit).await?,
        Some(filter) => scan(&caller, enabled, after, limit, filter).await?,
    };
    let page_key = next.map(|cursor| list.page_key(cursor));
    let default = &caller.principal.organization.responder;
    let agents: Result<_, _> = agents.iter().map(|agent| WireAgent::new(agent, default)).collect();
    Ok(Reply(StatusCode::OK, Agents { agents: agents?, metadata: ListMetadata { page_key } }))
}

type Reader = Caller<AgentKeyDialect, purpose::ReadAgents>;

/// The agents of a page, and the cursor of the next one.
struct FoundAgents {
    agents: Vec<Agent>,
    next: Option<PageCursor>,
}

/// Reads the agents of a page without a filter.
async fn page(
    caller: &Reader,
    enabled: Option<bool>,
    after: Option<PageCursor>,
    limit: usize,
) -> Result<FoundAgents, AgentKeyError> {
    let filter = AgentFilter { enabled, ..AgentFilter::default() };
    let after = after.map(|cursor| (cursor.at, AgentId(cursor.id)));
    let mut page = caller.store.agents().list(filter, after, PageLimit::rows(limit as i64 + 1)).await?;
    let more = page.truncate(limit);
    let next = page.rows.last().filter(|_| more).map(cursor_of);
    Ok(FoundAgents { agents: page.rows, next })
}

/// Searches the agents of a page that match a filter, until there are enough or the time ends.
async fn scan(
    caller: &Reader,
    enabled: Option<bool>,
    mut after: Option<PageCursor>,
    limit: usize,
    mut filter: NameFilter,
) -> Result<FoundAgents, AgentKeyError> {
    let agents = caller.store.agents();
    let began = Instant::now();
    let mut found: Vec<AgentHeading> = Vec::new();
    let more = loop {
        let cursor = after.map(|cursor| (cursor.at, AgentId(cursor.id)));
        let headings = agents.headings(enabled, cursor, SCAN_CHUNK as i64).await?;
        let is_last = headings.len() < SCAN_CHUNK;
        let narrowed = filter.narrow(headings).await?;
        after = narrowed.reached.or(after);
        found.extend(narrowed.rows);
        if found.len() > limit {
            found.truncate(limit);
            after = found.last().map(Named::cursor);
            break true;
        }
        if narrowed.is_over {
            break true;
        }
        if is_last || began.elapsed() > SCAN_TIME {
            break !is_last;
        }
    };
    let ids: Vec<AgentId> = found.iter().map(|heading| heading.id).collect();
    let page = agents.read_all(&ids).await?;
    let next = if page.cut { page.rows.last().map(cursor_of) } else { after.filter(|_| more) };
    Ok(FoundAgents { agents: page.rows, next })
}

fn cursor_of(agent: &Agent) -> PageCursor {
    PageCursor { at: agent.created_at, id: agent.id.0 }
}
