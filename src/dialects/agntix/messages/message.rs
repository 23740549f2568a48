//! The wire type of a message (docs/dialects/agntix.md).

use serde::Serialize;
use utoipa::ToSchema;

use crate::conversation::{EndReason, Outcome, ReplyMark};
use crate::dialects::agntix::AgntixError;
use crate::dialects::shared::time::Seconds;
use crate::dialects::shared::turn::NewReply;
use crate::domain::{Agent, Event, EventId, JsonText, NewEvent, Timestamp};
use crate::http::{Rejection, Unauthenticated};
use crate::responders::Speaker;

/// The role of a user's message.
const FROM_USER: &str = "USER";
/// The role of an agent's message.
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
    /// True if the reply was ended before all of it had arrived; otherwise absent.
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

/// Returns who wrote a message.
pub(in crate::dialects::agntix) fn speaker(message: &Event) -> Option<Speaker> {
    match message.kind.as_str() {
        FROM_USER => Some(Speaker::User),
        FROM_AGENT => Some(Speaker::Agent),
        _ => None,
    }
}

/// Returns the event that stores a message of a user.
pub(in crate::dialects::agntix) fn from_user(id: EventId, content: String, at: Timestamp) -> NewEvent {
    NewEvent { content: Some(content), ..NewEvent::of(id, FROM_USER, at) }
}

/// Returns the event that stores the agent's reply.
pub(in crate::dialects::agntix) fn reply(_: &Agent, reply: NewReply) -> NewEvent {
    let NewReply { id, to, text, completeness, at } = reply;
    let payload = JsonText::of(&ReplyMark::from(completeness)).unwrap_or_else(|_| JsonText::empty_object());
    NewEvent { parent: Some(to), content: Some(text), payload, ..NewEvent::of(id, FROM_AGENT, at) }
}

/// Returns the whole reply of a turn.
///
/// # Errors
/// The error for the reason why there is no whole reply.
pub(in crate::dialects::agntix) fn reply_of(outcome: Outcome) -> Result<Box<Event>, AgntixError> {
    match outcome {
        Outcome::Replied(reply) => Ok(reply),
        Outcome::Failed => Err(AgntixError::NoReply),
        Outcome::Ended { reason, .. } => Err(match reason {
            EndReason::Interrupted => AgntixError::NoReply,
            EndReason::SessionEnded | EndReason::SessionDisabled => AgntixError::SessionClosed,
            EndReason::AgentDisabled => AgntixError::NoResponder,
            EndReason::OrganizationDisabled => Rejection::Unauthenticated(Unauthenticated::BadKey).into(),
            EndReason::Stopping => Rejection::Unavailable.into(),
        }),
    }
}
