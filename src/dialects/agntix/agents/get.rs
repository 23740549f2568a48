//! `GET /v2/chat/agents/{agentId}` (docs/dialects/agntix.md).

use axum::extract::State;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::agents::agent::ChatAgentDetail;
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::domain::{AgentId, AgentRef};
use crate::http::{PathOf, Reply};

/// Returns the agent that a path names.
///
/// # Errors
/// [`AgntixError::AgentNotFound`] if the text is not an id.
pub(in crate::dialects::agntix) fn name_of(text: &str) -> Result<AgentRef, AgntixError> {
    text.parse::<AgentId>().map(AgentRef::Id).map_err(|_| AgntixError::AgentNotFound)
}

/// Get agent
///
/// Also at `/v1/chat/agents/{agentId}`.
#[utoipa::path(
    get,
    path = "/v2/chat/agents/{agentId}",
    params(("agentId" = uuid::Uuid, Path, description = "The agent's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent.", body = ChatAgentDetail),
    )
)]
#[tracing::instrument(name = "agntix.get_agent", level = "debug", skip_all)]
pub async fn get_agent(
    State(settings): State<Settings>,
    caller: Caller<Agntix, purpose::ReadAgents>,
    path: PathOf<Agntix, String>,
) -> Result<Reply<ChatAgentDetail>, AgntixError> {
    let agent = caller.store.agents().find(&name_of(&path.0)?).await?.ok_or(AgntixError::AgentNotFound)?;
    Ok(Reply(StatusCode::OK, ChatAgentDetail::new(&agent, &caller.principal.organization, &settings)))
}
