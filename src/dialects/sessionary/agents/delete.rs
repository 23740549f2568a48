//! `DELETE /sessionary/v1/agents/{agent_id}`.

use http::StatusCode;

use super::agent::{self, WireAgent};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::IfMatch;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::AgentRef;
use crate::http::PathOf;

/// Delete an agent
///
/// Its key is free at once. Its sessions remain, and still show its name.
#[utoipa::path(
    delete,
    path = "/sessionary/v1/agents/{agent_id}",
    params(
        ("agent_id" = uuid::Uuid, Path, description = "The agent's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to delete."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The agent was deleted."),
        (status = 412, description = "The agent has changed since the version that `If-Match` names."),
    )
)]
#[tracing::instrument(name = "sessionary.delete_agent", level = "debug", skip_all)]
pub async fn delete_agent(
    caller: Caller<Sessionary, purpose::WriteAgents>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
) -> Result<StatusCode, SessionaryError> {
    let id = agent::id_of(&path.0)?;
    let check = |agent: &crate::domain::Agent| if_match.check(&WireAgent::new(agent, &caller));
    let deleted = caller.store.agents().delete_if(&AgentRef::Id(id), caller.now(), check).await?;
    if deleted? { Ok(StatusCode::NO_CONTENT) } else { Err(agent::MISSING) }
}
