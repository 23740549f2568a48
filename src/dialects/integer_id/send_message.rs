//! `POST /api/v1/sessions/{session_id}/messages`: an extension (apis/integer_id, section 3.6).

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Envelope;
use super::message::{self, Message};
use super::session::{self, Known, Metadata};
use super::{IntegerId, IntegerIdError, create_session};
use crate::auth::{Caller, purpose};
use crate::conversation::{self, Conversations, Parts, Turn};
use crate::domain::session::State as SessionState;
use crate::domain::{AgentRef, Event, EventId, Given, Responder, Session, Share};
use crate::http::{PathOf, Refusal, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::Appends;

#[derive(Deserialize, ToSchema)]
pub struct SendMessage {
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    content: Given,
    /// At most 65,536 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Given,
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
/// answered, and so is the reply, also when nobody waits for it any longer.
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
        let place = this.places.take(caller.principal.organization.id).ok_or(Refusal::TooManyStreams)?;
        let (message, turn) = keep(&caller, &id, body, place).await?;
        Ok((message, turn.map(|turn| this.begin(caller.store.clone(), turn))))
    });
    let (message, parts): (Message, Option<Parts>) =
        said.await.unwrap_or_else(|| Err(IntegerIdError::from(Refusal::Internal)))?;
    let reply = match parts {
        Some(parts) => conversation::kept_by(deadline, parts).await,
        None => None,
    };
    let reply = reply.map(|event| message.reply(event));
    Ok(Reply(StatusCode::CREATED, Sent { success: true, message, reply }))
}

/// Keeps the message. With it comes the turn that answers it; `None` where the agent is gone or archived, or nothing
/// answers.
async fn keep(
    caller: &Caller<IntegerId, purpose::WriteEvents>,
    id: &str,
    body: SendMessage,
    place: Share,
) -> Result<(Message, Option<Turn>), IntegerIdError> {
    let key = session::key_of(id)?;
    let (content, metadata) = body.validate()?;
    let now = caller.now();
    let event = message::said(EventId(caller.mint.uuid()), content, metadata.clone(), now);
    let appends = Appends::of([&event]);
    let rule = move |session: &mut Session| match session.state_at(now) {
        SessionState::Open => (Ok(()), vec![event.clone()]),
        SessionState::Ended | SessionState::Expired => (Err(IntegerIdError::SessionEnded), Vec::new()),
    };
    let changed = caller.store.sessions().change(key, caller.mint.uuid(), appends, rule).await?;
    let changed = changed.ok_or(IntegerIdError::SessionNotFound)?;
    let made_before = changed.outcome.is_none();
    changed.outcome.transpose()?;
    let kept = changed.events.into_iter().next().ok_or(Refusal::Internal)?;
    let known: Known = changed.session.try_into()?;
    let turn = turn(caller, &known, kept.clone(), metadata, place).await?;
    let turn = turn.map(|turn| Turn { made_before, ..turn });
    Ok((Message::new(kept, known.number), turn))
}

impl SendMessage {
    fn validate(self) -> Result<(String, Metadata), IntegerIdError> {
        let content = match self.content {
            Given::Absent | Given::Null => return Err(IntegerIdError::Invalid("content is required")),
            Given::String(text) if text.is_empty() => return Err(IntegerIdError::Invalid("content is required")),
            Given::String(text) => text,
            _ => return Err(IntegerIdError::Invalid("content must be a string")),
        };
        Ok((content, create_session::metadata(self.metadata)?))
    }
}

async fn turn(
    caller: &Caller<IntegerId, purpose::WriteEvents>,
    known: &Known,
    said: Event,
    metadata: Metadata,
    place: Share,
) -> Result<Option<Turn>, IntegerIdError> {
    let Some(agent) = known.session.agent else { return Ok(None) };
    let agent = caller.store.agents().find(&AgentRef::Id(agent)).await?.filter(|agent| agent.enabled);
    let Some(agent) = agent else { return Ok(None) };
    let responder = agent.responder_or(&caller.principal.organization.responder).clone();
    let (to, id, clock) = (said.id, EventId(caller.mint.uuid()), caller.clock.clone());
    let turn = Turn {
        session: known.session.clone(),
        responder,
        agent,
        message: said,
        metadata,
        speaker: message::speaker,
        made_before: false,
        reply_id: id,
        reply: Box::new(move |text| message::answer(id, to, text, clock.now())),
        nonce: caller.mint.uuid(),
        place,
    };
    Ok(Some(turn).filter(|turn| turn.responder != Responder::None))
}
