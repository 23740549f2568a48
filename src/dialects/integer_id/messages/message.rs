//! A message of a session: an extension, since the vendor names the path and documents nothing more (apis/integer_id,
//! section 3.6).

use serde::Serialize;
use utoipa::ToSchema;

use crate::conversation::{Completeness, ReplyMark};
use crate::dialects::integer_id::sessions::session::Metadata;
use crate::dialects::wire::Seconds;
use crate::domain::{Event, EventId, JsonText, NewEvent, Timestamp};
use crate::responders::Speaker;

/// What users write.
const FROM_USER: &str = "user";
/// What agents write.
const FROM_AGENT: &str = "agent";

#[derive(Serialize, ToSchema)]
pub struct Message {
    /// Counted in each session.
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

    /// A reply in the same session.
    pub(in crate::dialects::integer_id) fn reply(&self, event: Event) -> Self {
        Self::new(event, self.session_id)
    }

    pub(in crate::dialects::integer_id) fn number(&self) -> i64 {
        self.message_id
    }
}

/// Who a message speaks for.
pub(in crate::dialects::integer_id) fn speaker(message: &Event) -> Option<Speaker> {
    match message.kind.as_str() {
        FROM_USER => Some(Speaker::User),
        FROM_AGENT => Some(Speaker::Agent),
        _ => None,
    }
}

/// The event that keeps what a user said.
pub(in crate::dialects::integer_id) fn said(
    id: EventId,
    content: String,
    metadata: Metadata,
    at: Timestamp,
) -> NewEvent {
    NewEvent {
        id,
        public_id: None,
        parent: None,
        kind: FROM_USER.to_owned(),
        author_id: None,
        content: Some(content),
        payload: metadata.unwrap_or_else(JsonText::empty_object),
        hidden: false,
        at,
    }
}

/// The event that stores the agent's reply. One that was interrupted says so in its metadata.
pub(in crate::dialects::integer_id) fn reply(
    id: EventId,
    to: EventId,
    content: String,
    completeness: Completeness,
    at: Timestamp,
) -> NewEvent {
    let mark = JsonText::of(&ReplyMark::from(completeness)).ok();
    NewEvent { parent: Some(to), kind: FROM_AGENT.to_owned(), ..said(id, content, mark, at) }
}
