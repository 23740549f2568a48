//! The wire type of a message. It is an extension, because the vendor names the path and documents nothing more
//! (docs/dialects/integer-id.md).

use serde::Serialize;
use utoipa::ToSchema;

use crate::conversation::ReplyMark;
use crate::dialects::integer_id::sessions::session::Metadata;
use crate::dialects::shared::time::Seconds;
use crate::dialects::shared::turn::NewReply;
use crate::domain::{Agent, Event, EventId, JsonText, NewEvent, Timestamp};
use crate::responders::Speaker;

/// The role of a user's message.
const FROM_USER: &str = "user";
/// The role of an agent's message.
const FROM_AGENT: &str = "agent";

#[derive(Serialize, ToSchema)]
pub struct Message {
    /// Counted from 1 in each session.
    #[schema(example = 1)]
    message_id: i64,
    #[schema(example = 456)]
    session_id: i64,
    /// `user` or `agent`.
    #[schema(example = "user")]
    role: String,
    content: String,
    #[schema(value_type = Option<Object>)]
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
}

impl Message {
    pub(in crate::dialects::integer_id) fn new(event: Event, session_id: i64) -> Self {
        let metadata = (event.payload.as_str() != "{}").then_some(event.payload);
        Self {
            message_id: event.number,
            session_id,
            role: event.kind,
            content: event.content.unwrap_or_default(),
            metadata,
            created_at: Seconds(event.created_at),
        }
    }

    /// Returns a reply in the same session.
    pub(in crate::dialects::integer_id) fn reply(&self, event: Event) -> Self {
        Self::new(event, self.session_id)
    }

    pub(in crate::dialects::integer_id) fn number(&self) -> i64 {
        self.message_id
    }
}

/// Returns who wrote a message.
pub(in crate::dialects::integer_id) fn speaker(message: &Event) -> Option<Speaker> {
    match message.kind.as_str() {
        FROM_USER => Some(Speaker::User),
        FROM_AGENT => Some(Speaker::Agent),
        _ => None,
    }
}

/// Returns the event that stores a message of a user.
pub(in crate::dialects::integer_id) fn from_user(
    id: EventId,
    content: String,
    metadata: Metadata,
    at: Timestamp,
) -> NewEvent {
    let payload = metadata.unwrap_or_else(JsonText::empty_object);
    NewEvent { content: Some(content), payload, ..NewEvent::of(id, FROM_USER, at) }
}

/// Returns the event that stores the agent's reply. An interrupted reply has `interrupted` in its metadata.
pub(in crate::dialects::integer_id) fn reply(_: &Agent, reply: NewReply) -> NewEvent {
    let NewReply { id, to, text, completeness, at } = reply;
    let payload = JsonText::of(&ReplyMark::from(completeness)).unwrap_or_else(|_| JsonText::empty_object());
    NewEvent { parent: Some(to), content: Some(text), payload, ..NewEvent::of(id, FROM_AGENT, at) }
}
