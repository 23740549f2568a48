//! `GET /v2/agents` (apis/agent_key, sections 1 and 5).

use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::wire::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::error::Envelope;
use crate::dialects::agent_key::name_filter::NameFilter;
use crate::dialects::agent_key::page_key::{List, Place};
use crate::dialects::agent_key::paging::{self, ListMetadata, SCAN_CHUNK, SCAN_TIME};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::{Agent, AgentId};
use crate::http::{QueryPairs, Reply};
use crate::store::AgentFilter;

#[derive(Serialize, ToSchema)]
pub struct Agents {
    /// Newest first.
    agents: Vec<WireAgent>,
    metadata: ListMetadata,
}

/// List agents
#[utoipa::path(
    get,
    path = "/v2/agents",
    params(
        ("filter" = Option<String>, Query, description = "A regular expression that is found in the name or the description; of those that match in linear time, at most 1,000 characters."),
        ("enabled" = Option<bool>, Query, description = "Only enabled agents, or only disabled ones."),
        ("limit" = Option<i64>, Query, description = "1 to 100, 10 unless given."),
        ("page_key" = Option<String>, Query, description = "The `metadata.page_key` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agents.", body = Agents),
        (status = 400, description = "`invalid_request`.", body = Envelope),
        (status = 401, description = "`unauthorized`.", body = Envelope),
        (status = 403, description = "`forbidden`: a missing scope.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agent_key.list_agents", level = "debug", skip_all)]
pub async fn list_agents(
    caller: Caller<AgentKeyDialect, purpose::ReadAgents>,
    query: QueryPairs,
) -> Result<Reply<Agents>, AgentKeyError> {
    let limit = paging::limit(&query)?;
    let filter = NameFilter::of(&query)?;
    let enabled = paging::boolean(&query, "enabled")?;
    let list = List { name: "agents", org: caller.store.org(), owner: Uuid::nil() };
    let mut after = paging::page_key(&query).map(|key| list.place(key)).transpose()?;

    let narrowed = AgentFilter { enabled, ..AgentFilter::default() };
    let chunk = if filter.is_some() { SCAN_CHUNK } else { limit + 1 };
    let began = Instant::now();
    let mut found: Vec<Agent> = Vec::new();
    let more = loop {
        let place = after.map(|place| (place.at, AgentId(place.id)));
        let agents = caller.store.agents().list(narrowed, place, chunk as i64).await?;
        let is_last = agents.len() < chunk;
        after = agents.last().map(place_of).or(after);
        found.extend(agents.into_iter().filter(|agent| match &filter {
            Some(filter) => filter.lets_through(&agent.name, agent.description.as_deref()),
            None => true,
        }));
        if found.len() > limit {
            found.truncate(limit);
            after = found.last().map(place_of);
            break true;
        }
        if is_last {
            break false;
        }
        if began.elapsed() > SCAN_TIME {
            break true;
        }
    };
    let page_key = after.filter(|_| more).map(|place| list.page_key(place));
    let default = &caller.principal.organization.responder;
    let agents: Result<_, _> = found.iter().map(|agent| WireAgent::new(agent, default)).collect();
    Ok(Reply(StatusCode::OK, Agents { agents: agents?, metadata: ListMetadata { page_key } }))
}

fn place_of(agent: &Agent) -> Place {
    Place { at: agent.created_at, id: agent.id.0 }
}
