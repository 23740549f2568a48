//! `GET /api/agents`: programs look up their agent here before they create a session.

use std::cmp::Reverse;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::dialects::shared::cursor;
use crate::domain::{Agent, AgentId};
use crate::http::{QueryPairs, Reply};
use crate::store::{AgentFilter, PageLimit};

/// Agents in one response. The vendor's list has no pages, so it needs a limit.
const MAX_AGENTS: i64 = 1_000;

#[derive(Serialize, ToSchema)]
pub struct AgentList {
    /// Always `true`.
    success: bool,
    data: Agents,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Agents {
    /// The active agents first, by name. If there are more than 1,000 agents or 4 MiB, only the newest.
    agents: Vec<ListedAgent>,
    /// The value of the query parameter `cursor` that continues the list. Present if there are older agents. An
    /// extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListedAgent {
    /// The `agentId` of sessions.
    id: Uuid,
    name: String,
    /// The same as `name`.
    character_name: String,
    /// The agent's description.
    bio: String,
    status: Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Inactive,
    Active,
}

impl From<Agent> for ListedAgent {
    fn from(agent: Agent) -> Self {
        Self {
            id: agent.id.0,
            character_name: agent.name.clone(),
            name: agent.name,
            bio: agent.description.unwrap_or_default(),
            status: if agent.enabled { Status::Active } else { Status::Inactive },
        }
    }
}

/// List agents
///
/// The agents of the caller's organization.
#[utoipa::path(
    get,
    path = "/api/agents",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The agents.", body = AgentList),
    )
)]
#[tracing::instrument(name = "messaging.list_agents", level = "debug", skip_all)]
pub async fn list_agents(
    caller: Caller<Messaging, purpose::ReadAgents>,
    query: QueryPairs,
) -> Result<Reply<AgentList>, MessagingError> {
    let cursor = query.first("cursor").filter(|text| !text.is_empty());
    let after = cursor.map(|text| cursor::read(text).ok_or_else(|| invalid_cursor(text))).transpose()?;
    let after = after.map(|(at, id)| (at, AgentId(id)));
    let page = caller.store.agents().list(AgentFilter::default(), after, PageLimit::rows(MAX_AGENTS)).await?;
    let last = page.rows.last().filter(|_| page.is_full(MAX_AGENTS));
    let next_cursor = last.map(|last| cursor::write((last.created_at, last.id.0)));
    let mut agents: Vec<ListedAgent> = page.rows.into_iter().map(ListedAgent::from).collect();
    agents.sort_by(|one, other| {
        let key = |agent: &ListedAgent| (Reverse(agent.status), agent.name.to_lowercase(), agent.id);
        key(one).cmp(&key(other))
    });
    Ok(Reply(StatusCode::OK, AgentList { success: true, data: Agents { agents, next_cursor } }))
}

fn invalid_cursor(text: &str) -> MessagingError {
    MessagingError::InvalidPagination {
        parameter: "cursor",
        value: text.to_owned(),
        reason: "Must be the nextCursor of an earlier response",
    }
}
