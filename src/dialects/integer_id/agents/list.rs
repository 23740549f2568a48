//! `GET /api/v1/agents` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::agents::agent::{AgentStatus, IntegerIdAgentSettings};
use crate::dialects::integer_id::agents::usage::UsageMembers;
use crate::dialects::integer_id::sessions::session::{AvatarMembers, AvatarThen};
use crate::dialects::integer_id::{IntegerId, IntegerIdError, query};
use crate::dialects::shared::cursor;
use crate::dialects::shared::time::Seconds;
use crate::domain::{Agent, AgentId, DialectName};
use crate::http::{QueryPairs, Reply};
use crate::store::{AgentFilter, PageLimit, Usage};

/// Agents in one response. The vendor's list has no pages, so it needs a limit.
const MAX_AGENTS: i64 = 1_000;

#[derive(Serialize, ToSchema)]
pub struct AgentList {
    success: bool,
    /// Last changed first. If there are more than 1,000 agents or 4 MiB, only the newest.
    agents: Vec<ListedAgent>,
    /// The value of the query parameter `cursor` that continues the list. Present if there may be older agents. An
    /// extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ListedAgent {
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "Sales Support Agent")]
    name: String,
    language: String,
    custom_greeting: Option<String>,
    context: Option<String>,
    status: AgentStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Seconds,
    #[serde(flatten)]
    usage: UsageMembers,
    #[serde(flatten)]
    avatar: AvatarMembers,
}

impl ListedAgent {
    fn new(agent: Agent, usage: Option<&Usage>) -> Self {
        let settings: IntegerIdAgentSettings = agent.settings_of(DialectName::IntegerId).unwrap_or_default();
        Self {
            agent_id: agent.number.get(),
            status: AgentStatus::from(&agent),
            name: agent.name,
            language: agent.language,
            custom_greeting: settings.custom_greeting,
            context: settings.context,
            created_at: Seconds(agent.created_at),
            updated_at: Seconds(agent.updated_at),
            usage: usage.copied().unwrap_or_default().into(),
            avatar: agent.avatar.as_ref().map(AvatarThen::from).into(),
        }
    }
}

/// List agents
#[utoipa::path(
    get,
    path = "/api/v1/agents",
    params(("cursor" = Option<String>, Query, description = "`next_cursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agents.", body = AgentList),
    )
)]
#[tracing::instrument(name = "integer_id.list_agents", level = "debug", skip_all)]
pub async fn list_agents(
    caller: Caller<IntegerId, purpose::ReadAgents>,
    pairs: QueryPairs,
) -> Result<Reply<AgentList>, IntegerIdError> {
    let after = query::cursor(&pairs)?.map(|(at, id)| (at, AgentId(id.0)));
    let agents = caller.store.agents();
    let page = agents.list(AgentFilter::default(), after, PageLimit::rows(MAX_AGENTS)).await?;
    let full = page.is_full(MAX_AGENTS);
    let mut found = page.rows;
    let next_cursor = found.last().filter(|_| full).map(|last| cursor::write((last.created_at, last.id.0)));
    found.sort_by_key(|agent| std::cmp::Reverse((agent.updated_at, agent.number)));
    let ids: Vec<AgentId> = found.iter().map(|agent| agent.id).collect();
    let usage = agents.usage(&ids).await?;
    let agents = found.into_iter().map(|agent| {
        let used = usage.get(&agent.id);
        ListedAgent::new(agent, used)
    });
    Ok(Reply(StatusCode::OK, AgentList { success: true, agents: agents.collect(), next_cursor }))
}
