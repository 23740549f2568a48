//! `GET /api/v1/agents/{agent_id}` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::agents::agent::{self, AgentStatus, IntegerIdAgentSettings};
use crate::dialects::integer_id::agents::usage::UsageMembers;
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::time::Seconds;
use crate::domain::{DialectName, JsonText};
use crate::http::{PathOf, Reply};

/// An agent without an envelope and with `id`, as the vendor's page shows it.
#[derive(Serialize, ToSchema)]
pub struct FoundAgent {
    #[schema(example = 123)]
    id: i64,
    /// Always null, because there are no users here, only organizations.
    user_id: Option<i64>,
    #[schema(example = "Sales Support Agent")]
    name: String,
    avatar_id: Option<i64>,
    /// Always null, because voices belong to avatars here. The vendor's own number of a voice.
    voice_id: Option<i64>,
    /// Always null, because there are no roles here.
    role_id: Option<i64>,
    language: String,
    custom_greeting: Option<String>,
    context: Option<String>,
    #[schema(value_type = Option<Object>)]
    properties: Option<JsonText>,
    #[schema(value_type = Option<Object>)]
    memories: Option<JsonText>,
    #[schema(value_type = Option<Object>)]
    knowledge_base: Option<JsonText>,
    status: AgentStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Seconds,
    #[serde(flatten)]
    usage: UsageMembers,
}

/// Get agent
#[utoipa::path(
    get,
    path = "/api/v1/agents/{agent_id}",
    params(("agent_id" = i64, Path, description = "The agent's integer id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent.", body = FoundAgent),
    )
)]
#[tracing::instrument(name = "integer_id.get_agent", level = "debug", skip_all)]
pub async fn get_agent(
    caller: Caller<IntegerId, purpose::ReadAgents>,
    path: PathOf<IntegerId, String>,
) -> Result<Reply<FoundAgent>, IntegerIdError> {
    let name = agent::named(&path.0, IntegerIdError::NoSuchAgent)?;
    let agents = caller.store.agents();
    let found = agents.find(&name).await?.ok_or(IntegerIdError::NoSuchAgent)?;
    let usage = agents.usage(&[found.id]).await?.remove(&found.id).unwrap_or_default();
    let settings: IntegerIdAgentSettings = found.settings_of(DialectName::IntegerId).unwrap_or_default();
    let body = FoundAgent {
        id: found.number.get(),
        user_id: None,
        name: found.name.clone(),
        avatar_id: agent::avatar_number(&found),
        voice_id: None,
        role_id: None,
        language: found.language.clone(),
        custom_greeting: settings.custom_greeting,
        context: settings.context,
        properties: settings.properties,
        memories: settings.memories,
        knowledge_base: settings.knowledge_base,
        status: AgentStatus::from(&*found),
        created_at: Seconds(found.created_at),
        updated_at: Seconds(found.updated_at),
        usage: usage.into(),
    };
    Ok(Reply(StatusCode::OK, body))
}
