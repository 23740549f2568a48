//! `GET /v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}` (docs/dialects/agent-key.md).

use http::StatusCode;

use super::wire::WireEvent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::http::{PathOf, Reply};

/// Get agent event
///
/// Returns hidden events as well.
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
        ("event_id" = String, Path, description = "The event's id."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The event.", body = WireEvent),
    )
)]
#[tracing::instrument(name = "agent_key.get_event", level = "debug", skip_all)]
pub async fn get_event(
    caller: Caller<AgentKeyDialect, purpose::ReadEvents>,
    path: PathOf<AgentKeyDialect, (String, String, String)>,
) -> Result<Reply<WireEvent>, AgentKeyError> {
    let (agent, session, id) = path.0;
    let found = find::session(&caller, &(agent, session)).await?;
    let event = find::event(&caller, &found.session, &id).await?;
    Ok(Reply(StatusCode::OK, WireEvent::new(&event, &found.session)))
}
