//! `DELETE /v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}` (docs/dialects/agent-key.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::http::PathOf;

/// Delete agent event
///
/// Deletes the event at once and completely, unlike the deletion of a session.
#[utoipa::path(
    delete,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
        ("event_id" = String, Path, description = "The event's id."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The event was deleted."),
    )
)]
#[tracing::instrument(name = "agent_key.delete_event", level = "debug", skip_all)]
pub async fn delete_event(
    caller: Caller<AgentKeyDialect, purpose::WriteEvents>,
    path: PathOf<AgentKeyDialect, (String, String, String)>,
) -> Result<StatusCode, AgentKeyError> {
    let (agent, session, id) = path.0;
    let found = find::session(&caller, &(agent, session)).await?;
    let event = find::event_id(&id).ok_or_else(|| AgentKeyError::EventNotFound(id.clone()))?;
    let deleted = caller.store.sessions().events(&found.session).delete(event).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(AgentKeyError::EventNotFound(id)) }
}
