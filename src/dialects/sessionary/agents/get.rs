//! `GET /sessionary/v1/agents/{agent_id}`.

use http::StatusCode;

use super::agent::{self, WireAgent};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::Versioned;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::AgentRef;
use crate::http::PathOf;

/// Get an agent
#[utoipa::path(
    get,
    path = "/sessionary/v1/agents/{agent_id}",
    params(("agent_id" = uuid::Uuid, Path, description = "The agent's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The agent.", body = WireAgent, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
#[tracing::instrument(name = "sessionary.get_agent", level = "debug", skip_all)]
pub async fn get_agent(
    caller: Caller<Sessionary, purpose::ReadAgents>,
    path: PathOf<Sessionary, String>,
) -> Result<Versioned<WireAgent>, SessionaryError> {
    let id = agent::id_of(&path.0)?;
    let agent = caller.store.agents().find(&AgentRef::Id(id)).await?.ok_or(agent::MISSING)?;
    Ok(Versioned(StatusCode::OK, WireAgent::new(&agent, &caller)))
}
