//! `POST /api/v1/sessions/{session_id}/messages`: an extension (docs/dialects/integer-id.md).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::conversation::{self, Conversations, Outcome, Turn};
use crate::dialects::integer_id::messages::message::{self, Message};
use crate::dialects::integer_id::sessions::create;
use crate::dialects::integer_id::sessions::session::{self, Metadata, NumberedSession};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::turn;
use crate::domain::session::State as SessionState;
use crate::domain::{EventId, JsonField, Permit, Responder, Session};
use crate::http::{PathOf, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};

#[derive(Deserialize, ToSchema)]
pub struct SendMessage {
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    content: JsonField,
    /// At most 65,536 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
}

#[derive(Serialize, ToSchema)]
pub struct Sent {
    success: bool,
    message: Message,
    /// The agent's reply; null if no reply arrives in time.
    reply: Option<Message>,
}

/// Send message
///
/// An extension: the vendor names this path and documents nothing more. The message is stored before the response
/// begins, and the reply is stored even if the client disconnects. If the same message is sent again while its reply is
/// pending, or within 60 seconds after the reply failed, it is not stored again: the response has the stored message.
/// Ending the session ends the reply, and the part that has arrived is stored with the metadata `"interrupted": true`.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{session_id}/messages",
    params(("session_id" = i64, Path, description = "The session's integer id."), IdempotencyKeyHeader),
    request_body = SendMessage,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The message was stored.", body = Sent),
        (status = 409, description = "The session has ended."),
    )
)]
pub async fn send_message(
    State(conversations): State<Conversations>,
    caller: Caller<IntegerId, purpose::WriteEvents>,
    path: PathOf<IntegerId, String>,
    request: Idempotent<IntegerId, SendMessage>,
) -> Response {
    request.respond(caller, move |caller, body| send(conversations, caller, path.0, body)).await
}

#[tracing::instrument(name = "integer_id.send_message", level = "debug", skip_all)]
async fn send(
    conversations: Conversations,
    caller: Caller<IntegerId, purpose::WriteEvents>,
    id: String,
    body: SendMessage,
) -> Result<Reply<Sent>, IntegerIdError> {
    let deadline = caller.answer_by();
    let work = move |this: Conversations, caller: Arc<Caller<_, _>>, permit| async move {
        store(&this, &caller, &id, body, permit).await
    };
    let (message, reply) = turn::store_and_begin(&conversations, caller, work).await?;
    let reply = match reply {
        Some((_, parts)) => match conversation::outcome_by(deadline, parts).await {
            Outcome::Replied(reply) => Some(*reply),
            Outcome::Ended { partial, .. } => partial.map(|partial| *partial),
            Outcome::Failed => None,
        },
        None => None,
    };
    let reply = reply.map(|event| message.reply(event));
    Ok(Reply(StatusCode::CREATED, Sent { success: true, message, reply }))
}

/// Stores the message. Returns it with the turn that replies to it; `None` if the agent is deleted or archived, or has
/// no responder.
async fn store(
    conversations: &Conversations,
    caller: &Caller<IntegerId, purpose::WriteEvents>,
    id: &str,
    body: SendMessage,
    permit: Permit,
) -> Result<(Message, Option<Turn>), IntegerIdError> {
    let key = session::key_of(id)?;
    let (content, metadata) = body.validate()?;
    let participants = caller.store.sessions().participants(key).await?.ok_or(IntegerIdError::SessionNotFound)?;
    let replying = turn::replying(caller, &participants).await?;
    let now = caller.now();
    let message = turn::Message {
        session: key,
        event: message::from_user(EventId(caller.mint.uuid()), content, metadata.clone(), now),
        metadata,
        replying: replying.filter(|replying| replying.responder != Responder::None),
        speaker: message::speaker,
        reply: message::reply,
        on_reply: |_, _| {},
    };
    let rule = move |session: &mut Session| match session.state_at(now) {
        SessionState::Open => Ok(()),
        SessionState::Ended | SessionState::Expired => Err(IntegerIdError::SessionEnded),
    };
    let stored = turn::store(conversations, caller, message, permit, rule).await;
    let stored = stored.map_err(|reason| turn::not_stored(reason, IntegerIdError::SessionNotFound))?;
    let numbered: NumberedSession = stored.session.try_into()?;
    Ok((Message::new(stored.message, numbered.number), stored.turn))
}

impl SendMessage {
    fn validate(self) -> Result<(String, Metadata), IntegerIdError> {
        let content = match self.content {
            JsonField::Absent | JsonField::Null => return Err(IntegerIdError::Invalid("content is required")),
            JsonField::String(text) if text.is_empty() => return Err(IntegerIdError::Invalid("content is required")),
            JsonField::String(text) => text,
            _ => return Err(IntegerIdError::Invalid("content must be a string")),
        };
        Ok((content, create::metadata(self.metadata)?))
    }
}
