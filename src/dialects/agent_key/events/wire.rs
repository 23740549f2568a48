//! The wire type of an event (docs/dialects/agent-key.md): `id`, `session_key`, `created_at`, `type`, then the members
//! of its type.

use indexmap::IndexMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Event, EventId, JsonText, Session};
use crate::responders::Speaker;

pub(super) const INPUT_MESSAGE: &str = "input_message";
pub(super) const AGENT_OUTPUT: &str = "agent_output";
pub(super) const TOOL_OUTPUT: &str = "tool_output";
pub(super) const COMPACTION: &str = "compaction";
pub(super) const SESSION_INTERRUPTED: &str = "session_interrupted";

/// Returns who wrote an event, or `None` if it is not a message. A summary counts as the user's, because it is sent to
/// the agent.
pub(super) fn speaker(event: &Event) -> Option<Speaker> {
    match event.kind.as_str() {
        INPUT_MESSAGE | COMPACTION => Some(Speaker::User),
        AGENT_OUTPUT => Some(Speaker::Agent),
        _ => None,
    }
}

/// An event of a session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AgentEvent)]
pub struct WireEvent {
    #[schema(example = "aev_b4b09e35-9165-4155-9433-f1b5384e7fcf")]
    id: String,
    session_key: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[serde(rename = "type")]
    #[schema(example = "agent_output")]
    kind: String,
    /// The members of its type: `messages`, `content`, `tool_output`, …
    #[serde(flatten)]
    #[schema(value_type = Object)]
    members: IndexMap<String, JsonText>,
}

impl WireEvent {
    pub(super) fn new(event: &Event, session: &Session) -> Self {
        let mut members: IndexMap<String, JsonText> = event.payload.read().unwrap_or_default();
        if event.kind == AGENT_OUTPUT
            && let Ok(content) = JsonText::of(&event.content.as_deref().unwrap_or_default())
        {
            members.insert("content".to_owned(), content);
        }
        Self {
            id: id(event.id),
            session_key: session.public_id.clone(),
            created_at: Milliseconds(event.created_at),
            kind: event.kind.clone(),
            members,
        }
    }
}

/// Writes an event's id.
pub(super) fn id(id: EventId) -> String {
    format!("aev_{id}")
}
