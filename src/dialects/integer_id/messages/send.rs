//! `POST /api/v1/sessions/{session_id}/messages`: an extension (apis/integer_id, section 3.6).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::conversation::{self, Conversations, Incoming, NotAccepted, Outcome, Parts, Replier, Turn};
use crate::dialects::integer_id::error::Envelope;
use crate::dialects::integer_id::messages::message::{self, Message};
use crate::dialects::integer_id::sessions::create;
use crate::dialects::integer_id::sessions::session::{self, Metadata, NumberedSession};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::domain::session::State as SessionState;
use crate::domain::{Agent, AgentRef, EventId, JsonField, Permit, Responder, Session};
use crate::http::{PathOf, Rejection, Reply};
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
    /// What the agent answered; null where nothing answers, or not in time.
    reply: Option<Message>,
}

/// Send message
///
/// An extension: the vendor names this path and documents nothing more. The message is kept before anything is
/// answered, and so is the reply, also when nobody waits for it any longer. The same message sent again while its reply
/// is on its way, or within 60 seconds after that failed, is stored once: the response has the message that is there.
/// Ending the session ends the reply: what had come of it is stored, and has `"interrupted": true` as its metadata.
#[utoipa::path(
    post,
    path = "/api/v1/sessions/{session_id}/messages",
    params(("session_id" = i64, Path, description = "The session's integer id."), IdempotencyKeyHeader),
    request_body = SendMessage,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The message was kept.", body = Sent),
        (status = 400, description = "The body is not as documented.", body = Envelope),
        (status = 401, description = "No credential, or none that holds.", body = Envelope),
        (status = 404, description = "No such session in this organization.", body = Envelope),
        (status = 409, description = "The session has ended, or a request with the same `Idempotency-Key` is still running.", body = Envelope),
        (status = 422, description = "The `Idempotency-Key` belongs to a request with another body.", body = Envelope),
        (status = 429, description = "Too many requests.", body = Envelope),
    )
)]
pub async fn send_message(
    State(conversations): State<Conversations>,
    caller: Caller<IntegerId, purpose::WriteEvents>,
    path: PathOf<IntegerId, String>,
    request: Idempotent<IntegerId, SendMessage>,
) -> Response {
    request.answer(caller, move |caller, body| send(conversations, caller, path.0, body)).await
}

#[tracing::instrument(name = "integer_id.send_message", level = "debug", skip_all)]
async fn send(
    conversations: Conversations,
    caller: Caller<IntegerId, purpose::WriteEvents>,
    id: String,
    body: SendMessage,
) -> Result<Reply<Sent>, IntegerIdError> {
    let (this, deadline) = (conversations.clone(), caller.answer_by());
    // Whoever hangs up: what is kept is answered.
    let said = conversations.see_through(async move {
        let place = this.places.take(caller.principal.organization.id).ok_or(Rejection::TooManyStreams)?;
        let (message, turn) = store(&this, &caller, &id, body, place).await?;
        Ok((message, turn.map(|turn| this.begin(caller.store.clone(), turn))))
    });
    let (message, parts): (Message, Option<Parts>) =
        said.await.unwrap_or_else(|| Err(IntegerIdError::from(Rejection::Internal)))?;
    let reply = match parts {
        Some(parts) => match conversation::outcome_by(deadline, parts).await {
            Outcome::Replied(reply) => Some(*reply),
            Outcome::Ended { partial, .. } => partial.map(|partial| *partial),
            Outcome::Failed => None,
        },
        None => None,
    };
    let reply = reply.map(|event| message.reply(event));
    Ok(Reply(StatusCode::CREATED, Sent { success: true, message, reply }))
}

/// Stores the message. With it comes the turn that replies to it; `None` where the agent is gone or archived, or nothing
/// replies.
async fn store(
    conversations: &Conversations,
    caller: &Caller<IntegerId, purpose::WriteEvents>,
    id: &str,
    body: SendMessage,
    place: Permit,
) -> Result<(Message, Option<Turn>), IntegerIdError> {
    let key = session::key_of(id)?;
    let (content, metadata) = body.validate()?;
    let session = caller.store.sessions().find(key.0, key.1).await?.ok_or(IntegerIdError::SessionNotFound)?;
    let asked = asked(caller, &session).await?;
    let now = caller.now();
    let reply = EventId(caller.mint.uuid());
    let incoming = Incoming {
        session: key,
        event: message::said(EventId(caller.mint.uuid()), content, metadata.clone(), now),
        sent_by: caller.sent_by(),
        replier: asked.as_ref().map(|(_, agent)| Replier { agent: agent.id, reply }),
    };
    let rule = move |session: &mut Session| match session.state_at(now) {
        SessionState::Open => Ok(()),
        SessionState::Ended | SessionState::Expired => Err(IntegerIdError::SessionEnded),
    };
    let accepted = conversations.accept(&caller.store, incoming, rule).await.map_err(|error| match error {
        NotAccepted::NoSession => IntegerIdError::SessionNotFound,
        NotAccepted::Rejected(error) => error,
        NotAccepted::Store(error) => error.into(),
        NotAccepted::Busy => Rejection::Internal.into(),
    })?;
    let message = accepted.message;
    let numbered: NumberedSession = accepted.session.try_into()?;
    let turn = asked.zip(accepted.pending).map(|((responder, agent), pending)| {
        let (id, to, clock) = (pending.id, message.id, caller.clock.clone());
        Turn {
            session: numbered.session.clone(),
            responder,
            agent,
            message: message.clone(),
            metadata,
            speaker: message::speaker,
            pending,
            reply: Box::new(move |text, completeness| message::reply(id, to, text, completeness, clock.now())),
            on_reply: |_, _| {},
            place,
        }
    });
    Ok((Message::new(message, numbered.number), turn))
}

/// What replies to the messages of a session, if anything does.
async fn asked(
    caller: &Caller<IntegerId, purpose::WriteEvents>,
    session: &Session,
) -> Result<Option<(Responder, Arc<Agent>)>, IntegerIdError> {
    let Some(agent) = session.agent else { return Ok(None) };
    let agent = caller.store.agents().find(&AgentRef::Id(agent)).await?.filter(|agent| agent.enabled);
    let default = &caller.principal.organization.responder;
    let asked = agent.map(|agent| (agent.responder_or(default).clone(), agent));
    Ok(asked.filter(|(responder, _)| *responder != Responder::None))
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
