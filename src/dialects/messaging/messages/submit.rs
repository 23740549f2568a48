//! `POST /api/messaging/submit`: a worker posts an agent's reply (docs/dialects/messaging.md).

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::messaging::error::ServerEnvelope;
use crate::dialects::messaging::javascript::is_truthy;
use crate::dialects::messaging::messages::channel;
use crate::dialects::messaging::messages::message::{self, Payload};
use crate::dialects::messaging::sessions::session::MessagingDetail;
use crate::dialects::messaging::{Messaging, MessagingError, metadata};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{DialectName, Event, EventId, JsonField, JsonText, NewEvent, Session};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::Appends;

/// UTF-16 code units of a reply.
const CONTENT_LIMIT: usize = 262_144;
/// UTF-16 code units of a raw message.
const RAW_LIMIT: usize = 262_144;
/// Characters of a source type.
const SOURCE_LIMIT: usize = 50;

#[derive(Deserialize, ToSchema)]
pub struct SubmitMessage {
    /// The id of the message, so that it can be submitted again without being stored twice.
    #[serde(default, rename = "messageId")]
    #[schema(value_type = Option<Uuid>)]
    message_id: JsonField,
    /// The session's `channelId`.
    #[serde(default)]
    #[schema(value_type = Uuid, required = true)]
    channel_id: JsonField,
    #[serde(default)]
    #[schema(value_type = Uuid, required = true, example = "00000000-0000-0000-0000-000000000000")]
    message_server_id: JsonField,
    /// An older name of `message_server_id`.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    server_id: JsonField,
    #[serde(default)]
    #[schema(value_type = Uuid, required = true)]
    author_id: JsonField,
    /// At most 262,144 UTF-16 code units.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    content: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    in_reply_to_message_id: JsonField,
    #[serde(default)]
    #[schema(value_type = String, required = true, example = "agent_response")]
    source_type: JsonField,
    #[serde(default)]
    #[schema(value_type = Object, required = true)]
    raw_message: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
}

#[derive(Serialize, ToSchema)]
pub struct Submitted {
    success: bool,
    data: SubmittedMessage,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SubmittedMessage {
    id: Uuid,
    channel_id: Uuid,
    author_id: Option<String>,
    content: String,
    #[schema(value_type = Object)]
    raw_message: Option<JsonText>,
    source_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to_root_message_id: Option<Uuid>,
    #[schema(value_type = Object)]
    metadata: JsonText,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Milliseconds,
}

impl SubmittedMessage {
    fn new(event: Event, channel_id: Uuid) -> Result<Self, Rejection> {
        let payload = Payload::of(&event)?;
        Ok(Self {
            id: event.id.0,
            channel_id,
            author_id: event.author_id,
            content: event.content.unwrap_or_default(),
            raw_message: payload.raw_message,
            source_type: event.kind,
            in_reply_to_root_message_id: event.parent.map(|id| id.0),
            metadata: payload.metadata.unwrap_or_else(JsonText::empty_object),
            created_at: Milliseconds(event.created_at),
            updated_at: Milliseconds(event.created_at),
        })
    }
}

/// A validated body.
struct ValidatedMessage {
    id: Option<EventId>,
    channel: Uuid,
    author: String,
    content: String,
    in_reply_to: Option<EventId>,
    source_type: String,
    payload: Payload,
}

impl SubmitMessage {
    fn validate(self) -> Result<ValidatedMessage, MessagingError> {
        let missing = || {
            MessagingError::InvalidSubmission(
                "Missing required fields: channel_id, message_server_id, author_id, content, source_type, raw_message",
            )
        };
        let uuid = |given: &JsonField| given.as_str().and_then(parse_hyphenated_uuid);
        let server = if is_truthy(&self.message_server_id) { &self.message_server_id } else { &self.server_id };
        let (Some(channel), Some(_), Some(author)) = (uuid(&self.channel_id), uuid(server), uuid(&self.author_id))
        else {
            return Err(missing());
        };
        let (JsonField::String(content), JsonField::String(source_type)) = (self.content, self.source_type) else {
            return Err(missing());
        };
        if content.is_empty() || source_type.is_empty() || !is_truthy(&self.raw_message) {
            return Err(missing());
        }
        let optional = |given: &JsonField, fault| match given {
            given if !is_truthy(given) => Ok(None),
            given => uuid(given).map(|id| Some(EventId(id))).ok_or(MessagingError::InvalidSubmission(fault)),
        };
        let in_reply_to = optional(&self.in_reply_to_message_id, "Invalid in_reply_to_message_id format")?;
        let id = optional(&self.message_id, "Invalid messageId format")?;
        let raw_message = self.raw_message.to_json().map(|json| json.into_owned());
        let too_long = content.encode_utf16().count() > CONTENT_LIMIT
            || source_type.chars().count() > SOURCE_LIMIT
            || raw_message.as_ref().is_some_and(|raw| raw.utf16_len() > RAW_LIMIT);
        if too_long {
            return Err(MessagingError::InvalidSubmission(
                "content and raw_message may have 262144 characters, source_type 50",
            ));
        }
        let own = metadata::given(&self.metadata);
        metadata::check(&own)?;
        let payload = Payload { metadata: Some(own), raw_message, ..Payload::default() };
        Ok(ValidatedMessage { id, channel, author: author.to_string(), content, in_reply_to, source_type, payload })
    }
}

/// Submit a message
///
/// Stores a message in the session of the channel, even after the session has expired. It does not renew the session,
/// and the agent does not reply to it. The channel of a deleted session is 404.
#[utoipa::path(
    post,
    path = "/api/messaging/submit",
    params(IdempotencyKeyHeader),
    request_body = SubmitMessage,
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 201, description = "The message was stored.", body = Submitted),
        (status = 400, description = "A field is missing, or not as documented.", body = ServerEnvelope),
        (status = 404, description = "No such channel in this organization.", body = ServerEnvelope),
    )
)]
#[tracing::instrument(name = "messaging.submit_message", level = "debug", skip_all)]
pub async fn submit_message(
    caller: Caller<Messaging, purpose::WriteEvents>,
    request: Result<Idempotent<Messaging, SubmitMessage>, MessagingError>,
) -> Result<Response, MessagingError> {
    let request = request.map_err(|error| match error {
        MessagingError::NoObject => MessagingError::InvalidSubmission("The body must be a JSON object"),
        other => other,
    })?;
    Ok(request.respond(caller, submit).await)
}

async fn submit(
    caller: Caller<Messaging, purpose::WriteEvents>,
    body: SubmitMessage,
) -> Result<Reply<Submitted>, MessagingError> {
    let new = body.validate()?;
    let (channel, session_id) = (new.channel, channel::session_of(new.channel));
    let no_channel = || MessagingError::ChannelNotFound;
    let session = caller.store.sessions().find(DialectName::Messaging, session_id).await?;
    let session = session.filter(|session| session.ended_at.is_none()).ok_or_else(no_channel)?;
    let detail: MessagingDetail = session.detail.read().map_err(|_| Rejection::Internal)?;
    if detail.channel_id != channel {
        return Err(no_channel());
    }
    let id = new.id.unwrap_or_else(|| EventId(caller.mint.uuid()));
    let event = NewEvent {
        parent: new.in_reply_to,
        author_id: Some(new.author),
        content: Some(new.content),
        payload: JsonText::of(&new.payload).map_err(|_| Rejection::Internal)?,
        ..NewEvent::of(id, &new.source_type, caller.now())
    };
    let key = (DialectName::Messaging, session_id);
    let appends = Appends::of([&event]);
    // Checked again under the session's lock, because the session may have been deleted in the meantime.
    let append = move |session: &mut Session| match session.ended_at {
        None => {
            let replies = event.kind == message::FROM_AGENT;
            // This reply ends the turn of the newest message, unless it replies to an earlier message.
            session.turn = session.turn.filter(|turn| !replies || event.parent.is_some_and(|to| to != turn.message));
            ((), vec![event.clone()])
        }
        Some(_) => ((), Vec::new()),
    };
    let changed = caller.store.sessions().change(key, caller.mint.uuid()).appending(appends).apply(append).await?;
    let stored = changed.and_then(|changed| changed.events.into_iter().next()).ok_or_else(no_channel)?;
    Ok(Reply(StatusCode::CREATED, Submitted { success: true, data: SubmittedMessage::new(stored, channel)? }))
}
