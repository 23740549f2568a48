//! `GET /v2/agents/{agent_key}` (docs/dialects/agent-key.md).

use http::StatusCode;

use super::wire::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::http::{PathOf, Reply};

/// Get agent
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}",
    params(("agent_key" = String, Path, description = "The agent's key.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent.", body = WireAgent),
    )
)]
#[tracing::instrument(name = "agent_key.get_agent", level = "debug", skip_all)]
pub async fn get_agent(
    caller: Caller<AgentKeyDialect, purpose::ReadAgents>,
    path: PathOf<AgentKeyDialect, String>,
) -> Result<Reply<WireAgent>, AgentKeyError> {
    let agent = find::agent(&caller, &path.0).await?;
    Ok(Reply(StatusCode::OK, WireAgent::new(&agent, &caller.principal.organization.responder)?))
}
