//! `GET /v2/agents/{agent_key}/sessions/{session_key}/events` (docs/dialects/agent-key.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::WireEvent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::find::{self, FoundSession};
use crate::dialects::agent_key::page_key::{EventCursor, List};
use crate::dialects::agent_key::paging::{self, ListMetadata};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::http::{PathOf, QueryPairs, Reply};
use crate::store::EventWindow;

#[derive(Serialize, ToSchema)]
pub struct Events {
    /// Oldest first.
    events: Vec<WireEvent>,
    metadata: ListMetadata,
}

/// List agent events
///
/// A page has at most 4 MiB; `metadata.page_key` continues the list.
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions/{session_key}/events",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 10."),
        ("page_key" = Option<String>, Query, description = "The `metadata.page_key` of the previous page."),
        ("include_hidden" = Option<bool>, Query, description = "Includes hidden events; by default false."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The events.", body = Events),
    )
)]
#[tracing::instrument(name = "agent_key.list_events", level = "debug", skip_all)]
pub async fn list_events(
    caller: Caller<AgentKeyDialect, purpose::ReadEvents>,
    path: PathOf<AgentKeyDialect, (String, String)>,
    query: QueryPairs,
) -> Result<Reply<Events>, AgentKeyError> {
    let FoundSession { session, .. } = find::session(&caller, &path.0).await?;
    let limit = paging::limit(&query)?;
    let hidden = paging::boolean(&query, "include_hidden")?.unwrap_or(false);
    let list = List { name: "events", org: caller.store.org(), owner: session.id.0 };
    let after_number = match paging::page_key(&query) {
        Some(key) => Some(list.cursor::<EventCursor>(key)?.number),
        None => None,
    };
    let window = EventWindow { after_number, hidden, ..EventWindow::default() };
    let mut events = caller.store.sessions().events(&session).oldest(&window, limit as i64 + 1).await?;
    let more = events.truncate(limit);
    let last = events.rows.last().filter(|_| more);
    let page_key = last.map(|event| list.page_key(EventCursor { at: event.created_at, number: event.number }));
    let events = events.rows.iter().map(|event| WireEvent::new(event, &session)).collect();
    Ok(Reply(StatusCode::OK, Events { events, metadata: ListMetadata { page_key } }))
}
