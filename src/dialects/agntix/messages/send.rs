//! `POST /v1/chat/chat/sessions/{sessionId}/messages` (docs/dialects/agntix.md).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Authenticator, Caller, purpose};
use crate::conversation::{self, Conversations, Parts, Turn};
use crate::dialects::agntix::agents::agent::AgntixAgentSettings;
use crate::dialects::agntix::messages::message::{self, ChatMessage};
use crate::dialects::agntix::messages::reply_stream;
use crate::dialects::agntix::sessions::session;
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::dialects::shared::reply_stream::StreamReader;
use crate::dialects::shared::turn::{self, Replying};
use crate::domain::responder::ModelName;
use crate::domain::session::State as SessionState;
use crate::domain::{Agent, AgentRef, DialectName, EventId, JsonField, Permit, Responder, Session};
use crate::http::{PathOf, Rejection, Reply};
use crate::idempotency::{ClaimOutcome, IdempotencyKeyHeader, Idempotent};

#[derive(Deserialize, ToSchema)]
pub struct SendMessage {
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    content: JsonField,
    /// Whether the reply is streamed.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    stream: JsonField,
}

/// Send message
///
/// Streams the reply as `data: {"id", "delta"}` frames, all with the reply's id, and `data: [DONE]`. With
/// `stream: false`, the response is the whole reply. The message is stored before the response begins. The reply is
/// stored even if the client disconnects. If the same message is sent again while its reply is pending, or within 60
/// seconds after the reply failed, it is not stored again: the response is the reply to the stored message. Closing the
/// session ends the reply, and the part that has arrived is stored with `interrupted`. Errors are returned before a
/// stream begins; if a reply fails later, the stream contains a frame `data: {"error": {…}}`. Also at
/// `/api/v1/chat/sessions/{sessionId}/messages`.
#[utoipa::path(
    post,
    path = "/v1/chat/chat/sessions/{sessionId}/messages",
    params(("sessionId" = String, Path, description = "The session's id, `ses_…`."), IdempotencyKeyHeader),
    request_body = SendMessage,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (
            status = 200,
            description = "The reply; `text/event-stream` unless `stream` is false.",
            content((ChatMessage = "application/json"), (String = "text/event-stream"))
        ),
        (status = 400, description = "The session is closed or has expired."),
        (status = 404, description = "No such session in this organization, or its agent was deleted."),
        (status = 422, description = "Nothing replies to this agent's messages."),
        (status = 502, description = "The message was stored, but no reply arrived. Send the same message again within 60 seconds to continue."),
        (status = 503, description = "The service is stopping. The message was stored; send it again."),
    )
)]
#[tracing::instrument(name = "agntix.send_message", level = "debug", skip_all)]
pub async fn send_message(
    State(settings): State<Settings>,
    State(conversations): State<Conversations>,
    State(authenticator): State<Arc<Authenticator>>,
    caller: Caller<Agntix, purpose::WriteEvents>,
    path: PathOf<Agntix, String>,
    request: Idempotent<Agntix, SendMessage>,
) -> Result<Response, AgntixError> {
    let streams = match &request.body().stream {
        JsonField::Absent | JsonField::Null => true,
        JsonField::Bool(streams) => *streams,
        _ => return Err(invalid("stream must be a boolean value")),
    };
    if !streams {
        let work = move |caller, body| send_and_wait(settings, conversations, caller, path.0, body);
        return Ok(request.respond(caller, work).await);
    }
    let org = caller.principal.organization.id;
    let permit = conversations.stream_permits.acquire(org).ok_or(Rejection::TooManyStreams)?;
    let reader = StreamReader::new(permit, authenticator, caller.principal.clone());
    let (caller, body, guard) = match request.claim(caller).await {
        ClaimOutcome::Fresh(caller, body, guard) => (caller, body, guard),
        ClaimOutcome::Respond(response) => return Ok(response),
    };
    let now = caller.now();
    match send(settings, &conversations, caller, path.0, body).await {
        Ok((id, parts)) => Ok(reply_stream::response(id, parts, guard, reader)),
        Err(error) => {
            guard.hand_back::<Agntix>(&error, now).await;
            Err(error)
        }
    }
}

/// Stores the message and returns the whole reply.
async fn send_and_wait(
    settings: Settings,
    conversations: Conversations,
    caller: Caller<Agntix, purpose::WriteEvents>,
    id: String,
    body: SendMessage,
) -> Result<Reply<ChatMessage>, AgntixError> {
    let deadline = caller.answer_by();
    let (_, parts) = send(settings, &conversations, caller, id, body).await?;
    let reply = message::reply_of(conversation::outcome_by(deadline, parts).await)?;
    Ok(Reply(StatusCode::OK, ChatMessage::from(*reply)))
}

fn invalid(message: &str) -> AgntixError {
    AgntixError::Validation(message.to_owned())
}

/// Stores the message and begins its turn. Returns the id of the reply and the receiver of its parts.
async fn send(
    settings: Settings,
    conversations: &Conversations,
    caller: Caller<Agntix, purpose::WriteEvents>,
    id: String,
    body: SendMessage,
) -> Result<(EventId, Parts), AgntixError> {
    let work = move |this: Conversations, caller: Arc<Caller<_, _>>, permit| async move {
        let turn = store(&this, &settings, &caller, &id, body, permit).await?;
        Ok::<_, AgntixError>(((), Some(turn)))
    };
    let ((), reply) = turn::store_and_begin(conversations, caller, work).await?;
    reply.ok_or_else(|| Rejection::Internal.into())
}

/// Stores the message, which restarts the idle time-out. Returns the turn that replies to it.
async fn store(
    conversations: &Conversations,
    settings: &Settings,
    caller: &Caller<Agntix, purpose::WriteEvents>,
    id: &str,
    body: SendMessage,
    permit: Permit,
) -> Result<Turn, AgntixError> {
    let content = match body.content {
        JsonField::Absent | JsonField::Null => return Err(invalid("content should not be empty")),
        JsonField::String(text) if text.is_empty() => return Err(invalid("content should not be empty")),
        JsonField::String(text) => text,
        _ => return Err(invalid("content must be a string")),
    };
    let session = session::find(caller, id).await?;
    let now = caller.now();
    check_open(session.state_at(now))?;
    let agent = session.agent.ok_or(AgntixError::AgentNotFound)?;
    let agent = caller.store.agents().find(&AgentRef::Id(agent)).await?.ok_or(AgntixError::AgentNotFound)?;
    let responder = responder(&agent, &caller.principal.organization.responder, settings);
    if !agent.enabled || responder == Responder::None {
        return Err(AgntixError::NoResponder);
    }
    let message = turn::Message {
        session: (DialectName::Agntix, session.id),
        event: message::from_user(EventId(caller.mint.uuid()), content, now),
        metadata: None,
        replying: Some(Replying { agent, responder }),
        speaker: message::speaker,
        reply: message::reply,
        on_reply: |_, _| {},
    };
    let idle_timeout = settings.idle_timeout;
    let rule = move |session: &mut Session| {
        check_open(session.state_at(now))?;
        if let Some(idle) = idle_timeout {
            session.expires_at = Some(now + idle);
        }
        Ok(())
    };
    let stored = turn::store(conversations, caller, message, permit, rule).await;
    let stored = stored.map_err(|reason| turn::not_stored(reason, AgntixError::SessionNotFound))?;
    Ok(stored.turn.ok_or(Rejection::Internal)?)
}

fn check_open(state: SessionState) -> Result<(), AgntixError> {
    match state {
        SessionState::Open => Ok(()),
        SessionState::Ended => Err(AgntixError::SessionClosed),
        SessionState::Expired => Err(AgntixError::SessionExpired),
    }
}

/// Returns the agent's responder. If it is the organization's model, it uses the agent's own system prompt, and the
/// agent's own model if the deployment lists it.
fn responder(agent: &Arc<Agent>, default: &Responder, settings: &Settings) -> Responder {
    let responder = agent.responder_or(default).clone();
    let (Responder::OpenAi(mut endpoint), None) = (responder.clone(), &agent.responder) else { return responder };
    let own: AgntixAgentSettings = agent.settings_of(DialectName::Agntix).unwrap_or_default();
    endpoint.system_prompt = own.system_prompt.or(endpoint.system_prompt);
    let named = own.model_id.filter(|id| settings.models.iter().any(|model| model.id == *id && model.is_active));
    if let Some(Ok(model)) = named.map(ModelName::try_from) {
        endpoint.model = model;
    }
    Responder::OpenAi(endpoint)
}
