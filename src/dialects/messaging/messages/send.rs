//! `POST /api/messaging/sessions/{sessionId}/messages` (docs/dialects/messaging.md).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Authenticator, Caller, purpose};
use crate::conversation::{self, Conversations, EndReason, Outcome};
use crate::dialects::messaging::error::ServerEnvelope;
use crate::dialects::messaging::messages::append::{AppendedMessage, MessageBody, append, invalid};
use crate::dialects::messaging::messages::message::{AgentResponse, FlatMessage, UserMessage};
use crate::dialects::messaging::messages::reply_stream;
use crate::dialects::messaging::messages::transport::Transport;
use crate::dialects::messaging::{Messaging, MessagingError};
use crate::dialects::shared::reply_stream::StreamReader;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Event, JsonField, Session, Timestamp, expiry};
use crate::http::{PathOf, Rejection, Reply, Unauthenticated};
use crate::idempotency::{ClaimOutcome, IdempotencyKeyHeader, Idempotent};

#[derive(Deserialize, ToSchema)]
pub struct SendMessage {
    /// At most 4,000 UTF-16 code units.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    content: JsonField,
    /// `websocket` responds at once, and the reply appears in the session's messages; `http` waits for the reply; `sse`
    /// streams it.
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "websocket")]
    transport: JsonField,
    /// An older name of `transport`, with the older values `sync` and `stream`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    mode: JsonField,
    /// At most 10,240 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// Stored as they were sent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attachments: JsonField,
}

impl SendMessage {
    fn into_message(self) -> MessageBody {
        MessageBody { content: self.content, metadata: self.metadata, attachments: self.attachments }
    }
}

#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    success: bool,
    user_message: UserMessage,
    /// The same message in the format that clients before version 1.7 read.
    #[serde(flatten)]
    message: FlatMessage,
    /// Present if the transport is `http`.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_response: Option<AgentResponse>,
    session_status: SessionStatus,
}

/// The response, and its copy under `data`, which the vendor's client reads.
#[derive(Serialize, ToSchema)]
struct SentTwice {
    #[serde(flatten)]
    sent: Sent,
    data: Sent,
}

/// The session's expiry after the message.
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
/// Renews a session with `autoRenew`. The message is stored before the response begins, and the reply is stored even if
/// the client disconnects. If the same message is sent again while its reply is pending, or within 60 seconds after the
/// reply failed, it is not stored again: the response has the stored message. Deleting the session ends the reply, and
/// the part that has arrived is stored with `interrupted` in its metadata.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{sessionId}/messages",
    params(("sessionId" = String, Path, description = "The session's id."), IdempotencyKeyHeader),
    request_body = SendMessage,
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "With the transport `sse`: the events `user_message`, `chunk`, and `done` or `error`.", content_type = "text/event-stream", body = String),
        (status = 201, description = "The message was stored.", body = SentTwice),
        (status = 410, description = "The session has expired."),
        (status = 500, description = "With the transport `http`: the message was stored, but no reply arrived. Send the same message again within 60 seconds to continue.", body = ServerEnvelope),
        (status = 503, description = "The service is stopping. The message was stored; send it again.", body = ServerEnvelope),
    )
)]
#[tracing::instrument(name = "messaging.send_message", level = "debug", skip_all)]
pub async fn send_message(
    State(conversations): State<Conversations>,
    State(authenticator): State<Arc<Authenticator>>,
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
        let work = move |caller, body| send(conversations, caller, path.0, transport, body);
        return Ok(request.respond(caller, work).await);
    }
    let org = caller.principal.organization.id;
    let permit = conversations.stream_permits.acquire(org).ok_or(Rejection::TooManyStreams)?;
    let reader = StreamReader::new(permit, authenticator, caller.principal.clone());
    let this = conversations.clone();
    let streaming = conversations.run_to_end(async move { stream(&this, caller, path.0, request, reader).await });
    streaming.await.unwrap_or_else(|| Err(Rejection::Unavailable.into()))
}

/// Stores the message and streams the reply.
async fn stream(
    conversations: &Conversations,
    caller: Caller<Messaging, purpose::WriteEvents>,
    id: String,
    request: Idempotent<Messaging, SendMessage>,
    reader: StreamReader,
) -> Result<Response, MessagingError> {
    let (caller, body, guard) = match request.claim(caller).await {
        ClaimOutcome::Fresh(caller, body, guard) => (caller, body, guard),
        ClaimOutcome::Respond(response) => return Ok(response),
    };
    let now = caller.now();
    match append(conversations, caller, id, Transport::Sse, body.into_message()).await {
        Ok(appended) => {
            let user_message = UserMessage::new(&appended.message, &appended.open)?;
            Ok(reply_stream::response(user_message, appended.message.id, appended.reply, guard, reader))
        }
        Err(error) => {
            guard.hand_back::<Messaging>(&error, now).await;
            Err(error)
        }
    }
}

/// Stores the message and responds, with the transport `http` after waiting for the reply.
async fn send(
    conversations: Conversations,
    caller: Caller<Messaging, purpose::WriteEvents>,
    id: String,
    transport: Transport,
    body: SendMessage,
) -> Result<Reply<SentTwice>, MessagingError> {
    let (now, deadline) = (caller.clock.now(), caller.answer_by());
    let appended = append(&conversations, caller, id, transport, body.into_message()).await?;
    let user_message = UserMessage::new(&appended.message, &appended.open)?;
    let session_status = SessionStatus::of(&appended, now);
    let agent_response = match (transport, appended.reply) {
        (Transport::Http, Some((_, parts))) => {
            let outcome = conversation::outcome_by(deadline, parts).await;
            Some(AgentResponse::new(&*reply_of(outcome, &appended.open.session)?, appended.message.id))
        }
        (Transport::Http, None) => return Err(MessagingError::NoReply),
        _ => None,
    };
    let message = user_message.flat();
    let sent = Sent { success: true, user_message, message, agent_response, session_status };
    Ok(Reply(StatusCode::CREATED, SentTwice { data: sent.clone(), sent }))
}

/// Returns the whole reply.
///
/// # Errors
/// The error for the reason why there is no whole reply.
fn reply_of(outcome: Outcome, session: &Session) -> Result<Box<Event>, MessagingError> {
    match outcome {
        Outcome::Replied(reply) => Ok(reply),
        Outcome::Failed => Err(MessagingError::NoReply),
        Outcome::Ended { reason, .. } => Err(match reason {
            EndReason::SessionEnded | EndReason::SessionDisabled => {
                MessagingError::SessionNotFound(session.public_id.clone())
            }
            EndReason::OrganizationDisabled => Rejection::Unauthenticated(Unauthenticated::BadKey).into(),
            EndReason::Stopping => Rejection::Unavailable.into(),
            EndReason::Interrupted | EndReason::AgentDisabled => MessagingError::NoReply,
        }),
    }
}

impl SessionStatus {
    fn of(appended: &AppendedMessage, now: Timestamp) -> Self {
        let lifetime = &appended.open.lifetime;
        let left = expiry::remaining(lifetime.expires_at, now);
        Self {
            expires_at: Milliseconds(lifetime.expires_at),
            renewal_count: lifetime.renewals,
            was_renewed: appended.was_renewed,
            is_near_expiration: appended.open.detail.timeout_config.timeouts().is_near_expiration(left),
        }
    }
}
