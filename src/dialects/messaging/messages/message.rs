//! The wire types of a message in the vendor's three formats: in the response to sending it, in the history, and as a
//! reply.

use chrono::serde::ts_milliseconds;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::conversation::ReplyMark;
use crate::dialects::messaging::metadata;
use crate::dialects::messaging::sessions::session::{MessagingDetail, OpenSession};
use crate::dialects::shared::time::Milliseconds;
use crate::dialects::shared::turn::NewReply;
use crate::domain::{Agent, Event, EventId, JsonField, JsonText, NewEvent, Session, Timestamp};
use crate::http::Rejection;
use crate::responders::Speaker;

/// The server that every channel belongs to.
pub(in crate::dialects::messaging) const MESSAGE_SERVER: Uuid = Uuid::nil();

/// The source type of a user's message.
pub(in crate::dialects::messaging) const FROM_USER: &str = "user";
/// The source type of an agent's message.
pub(in crate::dialects::messaging) const FROM_AGENT: &str = "agent_response";

/// Returns who wrote a message, or `None` for other source types.
pub(in crate::dialects::messaging) fn speaker(message: &Event) -> Option<Speaker> {
    match message.kind.as_str() {
        FROM_USER => Some(Speaker::User),
        FROM_AGENT => Some(Speaker::Agent),
        _ => None,
    }
}

/// The stored payload of a message, in addition to its text.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::dialects::messaging) struct Payload {
    /// The metadata of the message. That of its channel is added when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonText>,
    /// Not validated, and returned to the sender only.
    #[serde(default, skip_serializing_if = "JsonField::is_absent")]
    pub attachments: JsonField,
    /// The raw message of a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_message: Option<JsonText>,
}

impl Payload {
    pub(in crate::dialects::messaging) fn of(message: &Event) -> Result<Self, Rejection> {
        message.payload.read().map_err(|_| Rejection::Internal)
    }
}

/// Returns whether the payload of a message can be read.
#[must_use]
pub fn reads_event(event: &Event) -> bool {
    Payload::of(event).is_ok()
}

/// A message in the response to sending it: snake_case and milliseconds since 1970.
#[derive(Clone, Serialize, ToSchema)]
pub struct UserMessage {
    id: Uuid,
    channel_id: Uuid,
    message_server_id: Uuid,
    author_id: Option<String>,
    content: String,
    /// Milliseconds since 1970.
    #[serde(with = "ts_milliseconds")]
    #[schema(value_type = i64)]
    created_at: Timestamp,
    #[schema(example = "user")]
    source_type: String,
    raw_message: RawMessage,
    #[schema(value_type = Object)]
    metadata: JsonText,
}

/// A message in the response to sending it until version 1.6, as the vendor's page still shows it: camelCase and
/// ISO 8601.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlatMessage {
    id: Uuid,
    content: String,
    author_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = Object)]
    metadata: JsonText,
}

#[derive(Clone, Serialize, ToSchema)]
struct RawMessage {
    content: String,
    #[serde(skip_serializing_if = "JsonField::is_absent")]
    #[schema(value_type = Option<Object>)]
    attachments: JsonField,
}

impl UserMessage {
    pub(in crate::dialects::messaging) fn new(message: &Event, open: &OpenSession) -> Result<Self, Rejection> {
        let payload = Payload::of(message)?;
        let content = message.content.clone().unwrap_or_default();
        Ok(Self {
            id: message.id.0,
            channel_id: open.detail.channel_id,
            message_server_id: MESSAGE_SERVER,
            author_id: message.author_id.clone(),
            created_at: message.created_at,
            source_type: message.kind.clone(),
            raw_message: RawMessage { content: content.clone(), attachments: payload.attachments },
            content,
            metadata: metadata::of_message(&open.session, &open.detail, payload.metadata.as_ref())?,
        })
    }

    /// Returns the message in the format that older clients read.
    pub(in crate::dialects::messaging) fn flat(&self) -> FlatMessage {
        FlatMessage {
            id: self.id,
            content: self.content.clone(),
            author_id: self.author_id.clone(),
            created_at: Milliseconds(self.created_at),
            metadata: self.metadata.clone(),
        }
    }
}

/// A message in the history: camelCase and ISO 8601.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryMessage {
    id: Uuid,
    content: String,
    author_id: Option<String>,
    is_agent: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = Object)]
    metadata: JsonText,
}

impl HistoryMessage {
    pub(in crate::dialects::messaging) fn new(
        message: Event,
        session: &Session,
        detail: &MessagingDetail,
    ) -> Result<Self, Rejection> {
        let own = Payload::of(&message)?.metadata;
        let metadata = match message.kind.as_str() {
            FROM_USER => metadata::of_message(session, detail, own.as_ref())?,
            _ => own.unwrap_or_else(JsonText::empty_object),
        };
        Ok(Self {
            id: message.id.0,
            is_agent: message.kind == FROM_AGENT,
            content: message.content.unwrap_or_default(),
            author_id: message.author_id,
            created_at: Milliseconds(message.created_at),
            metadata,
        })
    }
}

/// The agent's reply in the response to a request that waited for it.
#[derive(Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentResponse {
    thought: &'static str,
    #[schema(value_type = Vec<String>)]
    actions: [&'static str; 1],
    #[schema(value_type = Vec<String>)]
    providers: [&'static str; 0],
    text: String,
    simple: bool,
    /// The message's id in the history.
    response_id: Uuid,
    in_reply_to: Uuid,
}

impl AgentResponse {
    pub(in crate::dialects::messaging) fn new(reply: &Event, to: EventId) -> Self {
        Self {
            thought: "",
            actions: ["REPLY"],
            providers: [],
            text: reply.content.clone().unwrap_or_default(),
            simple: true,
            response_id: reply.id.0,
            in_reply_to: to.0,
        }
    }
}

/// The metadata of an agent's reply in the history.
#[derive(Serialize)]
struct ReplyMetadata<'a> {
    #[serde(flatten)]
    mark: ReplyMark,
    thought: &'static str,
    actions: [&'static str; 1],
    #[serde(rename = "isDm")]
    is_dm: bool,
    agent_id: String,
    #[serde(rename = "agentName")]
    agent_name: &'a str,
    #[serde(rename = "channelType")]
    channel_type: &'static str,
}

/// Returns the event that stores the agent's reply.
pub(in crate::dialects::messaging) fn reply(agent: &Agent, reply: NewReply) -> NewEvent {
    let NewReply { id, to, text, completeness, at } = reply;
    let metadata = ReplyMetadata {
        mark: completeness.into(),
        thought: "",
        actions: ["REPLY"],
        is_dm: false,
        agent_id: agent.id.to_string(),
        agent_name: &agent.name,
        channel_type: "GROUP",
    };
    let payload = Payload { metadata: JsonText::of(&metadata).ok(), ..Payload::default() };
    NewEvent {
        parent: Some(to),
        author_id: Some(agent.id.to_string()),
        content: Some(text),
        payload: JsonText::of(&payload).unwrap_or_else(|_| JsonText::empty_object()),
        ..NewEvent::of(id, FROM_AGENT, at)
    }
}
