//! `POST /api/messaging/sessions/{sessionId}/messages` (apis/messaging, section 5).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Envelope;
use super::message::{self, AgentResponse, Payload, UserMessage};
use super::session::{self, Living};
use super::transport::Transport;
use super::{Messaging, MessagingError, metadata, reply_stream};
use crate::auth::{Caller, purpose};
use crate::conversation::{Conversations, Part, Parts, Turn};
use crate::dialects::wire::Milliseconds;
use crate::domain::{Agent, AgentRef, Event, EventId, Given, JsonText, NewEvent, Responder, expiry};
use crate::http::{PathOf, Refusal, Reply};
use crate::idempotency::{Claim, IdempotencyKeyHeader, Idempotent};

/// How long a reply is waited for: less than the door lets a handler take, so that its absence is told in the vendor's
/// words. The reply is kept whenever it comes.
const PATIENCE: Duration = Duration::from_secs(28);
/// UTF-16 code units of a message; the vendor's message calls them characters.
const CONTENT_LIMIT: usize = 4_000;

#[derive(Deserialize, ToSchema)]
pub struct SendMessage {
    /// At most 4,000 UTF-16 code units.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    content: Given,
    /// `websocket` answers at once and leaves the reply to the session's messages, `http` waits for it, `sse` streams
    /// it.
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "websocket")]
    transport: Given,
    /// An older name of `transport`, with the older values `sync` and `stream`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    mode: Given,
    /// At most 10,240 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Given,
    /// Kept as they are.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attachments: Given,
}

#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    success: bool,
    user_message: UserMessage,
    /// Where the transport is `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_response: Option<AgentResponse>,
    session_status: SessionStatus,
}

/// The answer, and once more under `data`, which is what the vendor's client unwraps.
#[derive(Serialize, ToSchema)]
struct SentTwice {
    #[serde(flatten)]
    sent: Sent,
    data: Sent,
}

/// Where the session stands after the message.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionStatus {
    #[schema(value_type = String, format = DateTime)]
    expires_at: Milliseconds,
    renewal_count: u64,
    was_renewed: bool,
    is_near_expiration: bool,
}

/// Send a message
///
/// Renews a session that renews itself. Whatever becomes of the reply, the message is kept before anything is
/// answered, and a reply is kept also when nobody waits for it any longer.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{sessionId}/messages",
    params(("sessionId" = String, Path, description = "The session's id."), IdempotencyKeyHeader),
    request_body = SendMessage,
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "With the transport `sse`: the events `user_message`, `chunk`, and `done` or `error`.", content_type = "text/event-stream", body = String),
        (status = 201, description = "The message was kept.", body = SentTwice),
        (status = 400, description = "The content, the metadata or the transport is not as documented.", body = Envelope),
        (status = 401, description = "No credential, or none that holds."),
        (status = 404, description = "No such session in this organization.", body = Envelope),
        (status = 410, description = "The session has expired.", body = Envelope),
        (status = 429, description = "Too many requests, or streams."),
        (status = 500, description = "With the transport `http`: the message was kept, and no reply came."),
    )
)]
#[tracing::instrument(name = "messaging.send_message", level = "debug", skip_all)]
pub async fn send_message(
    State(conversations): State<Conversations>,
    caller: Caller<Messaging, purpose::WriteEvents>,
    path: PathOf<Messaging, String>,
    request: Result<Idempotent<Messaging, SendMessage>, MessagingError>,
) -> Result<Response, MessagingError> {
    let request = request.map_err(|error| match error {
        MessagingError::NoObject => invalid("Invalid message request format"),
        other => other,
    })?;
    let body = request.body();
    let transport = Transport::of(&body.transport, &body.mode).map_err(MessagingError::InvalidContent)?;
    if transport != Transport::Sse {
        let answering = move |caller, body| answer(conversations, caller, path.0, transport, body);
        return Ok(request.answer(caller, answering).await);
    }
    let org = caller.principal.organization.id;
    let place = conversations.streams.take(org).ok_or(Refusal::TooManyStreams)?;
    match request.claim(caller).await {
        Claim::Answered(response) => Ok(response),
        Claim::Fresh(caller, body, ticket) => match say(&caller, &path.0, body).await {
            Ok(said) => {
                let reply = said.turn(&caller)?.map(|turn| {
                    let id = turn.reply_id;
                    (id, conversations.begin(caller.store.clone(), turn))
                });
                Ok(reply_stream::response(said.user_message()?, said.message.id, reply, ticket, place))
            }
            Err(error) => {
                ticket.release().await;
                Err(error)
            }
        },
    }
}

/// Keeps the message, and answers at once or with the reply.
async fn answer(
    conversations: Conversations,
    caller: Caller<Messaging, purpose::WriteEvents>,
    id: String,
    transport: Transport,
    body: SendMessage,
) -> Result<Reply<SentTwice>, MessagingError> {
    let said = say(&caller, &id, body).await?;
    let waits = transport == Transport::Http;
    let turn = said.turn(&caller)?.filter(|turn| waits || turn.responder != Responder::None);
    let parts = turn.map(|turn| conversations.begin(caller.store.clone(), turn));
    let agent_response = match parts {
        Some(parts) if waits => {
            let reply = tokio::time::timeout(PATIENCE, reply(parts, said.message.id)).await;
            Some(reply.ok().flatten().ok_or(MessagingError::NoReply)?)
        }
        None if waits => return Err(MessagingError::NoReply),
        _ => None,
    };
    let sent = Sent {
        success: true,
        user_message: said.user_message()?,
        agent_response,
        session_status: said.status(&caller),
    };
    Ok(Reply(StatusCode::CREATED, SentTwice { data: sent.clone(), sent }))
}

/// The whole reply, once it is kept.
async fn reply(mut parts: Parts, to: EventId) -> Option<AgentResponse> {
    loop {
        match parts.recv().await? {
            Part::Chunk(_) => {}
            Part::Kept(event) => return Some(AgentResponse::new(&event, to)),
            Part::Failed => return None,
        }
    }
}

/// A message that was kept.
struct Said {
    living: Living,
    message: Event,
    agent: Option<Arc<Agent>>,
    was_renewed: bool,
    /// By an earlier attempt: a reply may be there.
    made_before: bool,
    own_metadata: JsonText,
}

/// Keeps the message, which renews a session that renews itself.
async fn say(
    caller: &Caller<Messaging, purpose::WriteEvents>,
    id: &str,
    body: SendMessage,
) -> Result<Said, MessagingError> {
    let Given::String(content) = body.content else { return Err(invalid("Invalid message request format")) };
    let session = session::find(caller, id).await?.session;
    check_content(&content)?;
    let own_metadata = metadata::given(&body.metadata);
    metadata::check(&own_metadata)?;
    let agent = match session.agent {
        Some(agent) => caller.store.agents().find(&AgentRef::Id(agent)).await?.filter(|agent| agent.enabled),
        None => None,
    };

    let payload = Payload { metadata: Some(own_metadata.clone()), attachments: body.attachments, ..Payload::default() };
    let event = NewEvent {
        id: EventId(caller.mint.uuid()),
        public_id: None,
        parent: None,
        kind: message::FROM_USER.to_owned(),
        author_id: session.user_id,
        content: Some(content),
        payload: JsonText::of(&payload).map_err(|_| Refusal::Internal)?,
        hidden: false,
        at: caller.now(),
    };
    let changed = session::change(caller, id, vec![event.id], move |living, now| {
        (living.lifetime.touch(&living.detail.timeout_config.timeouts(), now), vec![event.clone()])
    })
    .await?;
    let message = changed.events.into_iter().next().ok_or(Refusal::Internal)?;
    let renews = changed.living.detail.timeout_config.timeouts().auto_renew;
    Ok(Said {
        message,
        agent,
        was_renewed: changed.outcome.unwrap_or(renews),
        made_before: changed.outcome.is_none(),
        own_metadata,
        living: changed.living,
    })
}

fn check_content(content: &str) -> Result<(), MessagingError> {
    if content.is_empty() {
        return Err(invalid("Content cannot be empty"));
    }
    if content.encode_utf16().count() > CONTENT_LIMIT {
        return Err(MessagingError::InvalidContent(format!(
            "Content exceeds maximum length of {CONTENT_LIMIT} characters"
        )));
    }
    Ok(())
}

fn invalid(reason: &str) -> MessagingError {
    MessagingError::InvalidContent(reason.to_owned())
}

impl Said {
    fn user_message(&self) -> Result<UserMessage, Refusal> {
        UserMessage::new(&self.message, &self.living)
    }

    fn status(&self, caller: &Caller<Messaging, purpose::WriteEvents>) -> SessionStatus {
        let expires_at = self.living.lifetime.expires_at;
        let left = expiry::remaining(expires_at, caller.now());
        SessionStatus {
            expires_at: Milliseconds(expires_at),
            renewal_count: self.living.lifetime.renewals,
            was_renewed: self.was_renewed,
            is_near_expiration: self.living.detail.timeout_config.timeouts().is_near_expiration(left),
        }
    }

    /// The turn that answers the message; `None` where the agent is gone or switched off.
    fn turn(&self, caller: &Caller<Messaging, purpose::WriteEvents>) -> Result<Option<Turn>, MessagingError> {
        let Some(agent) = self.agent.clone() else { return Ok(None) };
        let (to, id) = (self.message.id, EventId(caller.mint.uuid()));
        let blank = message::answer(id, &agent, to, String::new(), caller.now())?;
        let clock = caller.clock.clone();
        Ok(Some(Turn {
            session: self.living.session.clone(),
            responder: agent.responder_or(&caller.principal.organization.responder).clone(),
            agent,
            message: self.message.clone(),
            metadata: Some(self.own_metadata.clone()),
            speaker: message::speaker,
            reply_id: id,
            reply: Box::new(move |text| NewEvent { content: Some(text), at: clock.now(), ..blank }),
            made_before: self.made_before,
            nonce: caller.mint.uuid(),
        }))
    }
}
