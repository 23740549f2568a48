//! `DELETE /v2/agents/{agent_key}` (docs/dialects/agent-key.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::{AgentKey, AgentRef};
use crate::http::PathOf;

/// Delete agent
///
/// Hides the agent and frees its key. The messages of its sessions remain until they are erased or retention deletes
/// them.
#[utoipa::path(
    delete,
    path = "/v2/agents/{agent_key}",
    params(("agent_key" = String, Path, description = "The agent's key.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The agent was deleted."),
    )
)]
#[tracing::instrument(name = "agent_key.delete_agent", level = "debug", skip_all)]
pub async fn delete_agent(
    caller: Caller<AgentKeyDialect, purpose::WriteAgents>,
    path: PathOf<AgentKeyDialect, String>,
) -> Result<StatusCode, AgentKeyError> {
    let agent_not_found = || AgentKeyError::AgentNotFound(path.0.clone());
    let key: AgentKey = path.0.parse().map_err(|_| agent_not_found())?;
    let deleted = caller.store.agents().delete(&AgentRef::Key(key), caller.now()).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(agent_not_found()) }
}
