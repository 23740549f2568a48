//! `POST …/events/{event_id}/hide` and `/unhide` (docs/dialects/agent-key.md).

use http::StatusCode;

use super::wire::WireEvent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::event::EventVisibility;
use crate::http::{PathOf, Reply};

type EventPath = PathOf<AgentKeyDialect, (String, String, String)>;

/// Hide agent event
///
/// Hides it from the list and from the history that the agent receives.
#[utoipa::path(
    post,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}/hide",
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
#[tracing::instrument(name = "agent_key.hide_event", level = "debug", skip_all)]
pub async fn hide_event(
    caller: Caller<AgentKeyDialect, purpose::WriteEvents>,
    path: EventPath,
) -> Result<Reply<WireEvent>, AgentKeyError> {
    set_visibility(&caller, path, EventVisibility::Hidden).await
}

/// Unhide agent event
#[utoipa::path(
    post,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/events/{event_id}/unhide",
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
#[tracing::instrument(name = "agent_key.unhide_event", level = "debug", skip_all)]
pub async fn unhide_event(
    caller: Caller<AgentKeyDialect, purpose::WriteEvents>,
    path: EventPath,
) -> Result<Reply<WireEvent>, AgentKeyError> {
    set_visibility(&caller, path, EventVisibility::Visible).await
}

async fn set_visibility(
    caller: &Caller<AgentKeyDialect, purpose::WriteEvents>,
    path: EventPath,
    visibility: EventVisibility,
) -> Result<Reply<WireEvent>, AgentKeyError> {
    let (agent, session, id) = path.0;
    let found = find::session(caller, &(agent, session)).await?;
    let event = find::event(caller, &found.session, &id).await?;
    caller.store.sessions().events(&found.session).set_visibility(&[event.id], visibility).await?;
    Ok(Reply(StatusCode::OK, WireEvent::new(&event, &found.session)))
}
