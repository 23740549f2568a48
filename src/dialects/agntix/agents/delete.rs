//! `DELETE /v2/chat/agents/{agentId}` (docs/dialects/agntix.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::agents::get::name_of;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::http::PathOf;

/// Delete agent
///
/// The agent's sessions are not deleted. Also at `/v1/chat/agents/{agentId}`.
#[utoipa::path(
    delete,
    path = "/v2/chat/agents/{agentId}",
    params(("agentId" = uuid::Uuid, Path, description = "The agent's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The agent was deleted."),
    )
)]
#[tracing::instrument(name = "agntix.delete_agent", level = "debug", skip_all)]
pub async fn delete_agent(
    caller: Caller<Agntix, purpose::WriteAgents>,
    path: PathOf<Agntix, String>,
) -> Result<StatusCode, AgntixError> {
    let found = caller.store.agents().delete(&name_of(&path.0)?, caller.now()).await?;
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(AgntixError::AgentNotFound) }
}
