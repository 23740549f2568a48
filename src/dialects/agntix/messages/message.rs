//! A message as Agntix writes it (apis/agntix, section 6).

use serde::Serialize;
use utoipa::ToSchema;

use crate::conversation::{Completeness, ReplyMark};
use crate::dialects::wire::Seconds;
use crate::domain::{Event, EventId, JsonText, NewEvent, Timestamp};
use crate::responders::Speaker;

/// What users write.
const FROM_USER: &str = "USER";
/// What agents write.
const FROM_AGENT: &str = "ASSISTANT";

/// A chat message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    #[schema(example = "msg_01j3m8xkqp8v2nw4f7g9hk0r00")]
    id: String,
    content: String,
    /// `USER` or `ASSISTANT`.
    #[schema(example = "ASSISTANT")]
    role: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    /// True of a reply that was ended before all of it had come; otherwise absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    interrupted: bool,
}

impl From<Event> for ChatMessage {
    fn from(event: Event) -> Self {
        Self {
            interrupted: ReplyMark::of(&event).interrupted,
            id: event.id.to_agntix(),
            content: event.content.unwrap_or_default(),
            role: event.kind,
            created_at: Seconds(event.created_at),
        }
    }
}

/// Who a message speaks for.
pub(in crate::dialects::agntix) fn speaker(message: &Event) -> Option<Speaker> {
    match message.kind.as_str() {
        FROM_USER => Some(Speaker::User),
        FROM_AGENT => Some(Speaker::Agent),
        _ => None,
    }
}

/// The event that keeps what a user said.
pub(in crate::dialects::agntix) fn said(id: EventId, content: String, at: Timestamp) -> NewEvent {
    NewEvent {
        id,
        public_id: None,
        parent: None,
        kind: FROM_USER.to_owned(),
        author_id: None,
        content: Some(content),
        payload: JsonText::empty_object(),
        hidden: false,
        at,
    }
}

/// The event that stores the agent's reply.
pub(in crate::dialects::agntix) fn reply(
    id: EventId,
    to: EventId,
    content: String,
    completeness: Completeness,
    at: Timestamp,
) -> NewEvent {
    let payload = JsonText::of(&ReplyMark::from(completeness)).unwrap_or_else(|_| JsonText::empty_object());
    NewEvent { parent: Some(to), kind: FROM_AGENT.to_owned(), payload, ..said(id, content, at) }
}
