//! An event as it is stored, and as it is shown.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dialects::agnost::reading;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::grams::Grams;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{Event, EventId, JsonField, JsonText, NewEvent, SessionId};
use crate::store::{CapturedRow, StoreError};

/// The part of an event that only this dialect stores, as it was sent.
#[derive(Serialize)]
pub struct EventDetail<'a> {
    pub received_at: Milliseconds,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    pub args: &'a JsonField,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    pub result: &'a JsonField,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonText>,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    pub primitive_type: &'a JsonField,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    pub checkpoints: &'a JsonField,
    /// The parent's id if it is not a UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<&'a str>,
    /// The other members of an OpenTelemetry span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<JsonText>,
    /// Unix time in milliseconds as it was sent, if the event is listed under its arrival instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_timestamp: Option<i64>,
}

/// The stored detail of an event.
#[derive(Default, Deserialize)]
struct StoredDetail {
    #[serde(default)]
    args: JsonField,
    #[serde(default)]
    result: JsonField,
    metadata: Option<JsonText>,
    #[serde(default)]
    primitive_type: JsonField,
    checkpoints: Option<JsonText>,
    parent_id: Option<String>,
    span: Option<JsonText>,
    claimed_timestamp: Option<i64>,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user's message and the agent's reply.
    Turn,
    Tool,
    Resource,
    Prompt,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }

    /// Returns the kind of an event. No member states it for certain (docs/dialects/agnost.md): the MCP clients send
    /// it, and an event with a parent is a call that its parent made.
    pub fn of(primitive_type: &JsonField, has_parent: bool) -> Self {
        match primitive_type.as_str() {
            Some("tool") => Self::Tool,
            Some("resource") => Self::Resource,
            Some("prompt") => Self::Prompt,
            _ if has_parent => Self::Tool,
            _ => Self::Turn,
        }
    }
}

/// Returns an event's id: the UUID itself in any case, or a UUID computed from the session and any other text.
pub fn event_id(session: SessionId, text: &str) -> EventId {
    EventId(parse_hyphenated_uuid(text).unwrap_or_else(|| Uuid::new_v5(&session.0, text.as_bytes())))
}

/// Returns the grams of an event for searches: those of its name and its input as text, and of its output as it was
/// sent.
pub fn grams(event: &NewEvent, result: &JsonField) -> Grams {
    grams_of(event.author_id.as_deref(), event.content.as_deref(), result)
}

fn grams_of(name: Option<&str>, input: Option<&str>, result: &JsonField) -> Grams {
    let output = match result {
        JsonField::Absent | JsonField::Null => None,
        JsonField::String(text) => Some(Cow::Borrowed(text.as_str())),
        other => other.to_json().map(|json| Cow::Owned(json.as_str().to_owned())),
    };
    Grams::of([name, input, output.as_deref()].into_iter().flatten())
}

/// Returns whether the payload of an event can be read.
#[must_use]
pub fn reads_event(event: &Event) -> bool {
    event.payload.read::<StoredDetail>().is_ok()
}

/// Returns the grams of a stored event.
#[must_use]
pub fn stored_grams(event: &Event) -> Grams {
    let detail: StoredDetail = event.payload.read().unwrap_or_default();
    grams_of(event.author_id.as_deref(), event.content.as_deref(), &detail.result)
}

/// A captured event.
#[derive(Serialize, ToSchema)]
pub struct CapturedEvent {
    /// The id as it was sent, or a generated one.
    event_id: String,
    /// The UUID by which it is found: `event_id` itself if that is a UUID.
    id: Uuid,
    /// The UUID of its conversation.
    conversation_id: Uuid,
    /// The conversation's id as it was sent.
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_config: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    /// Its number among the conversation's events, in the order of their arrival, from 1 without gaps.
    number: i64,
    #[schema(example = "turn")]
    kind: String,
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    #[schema(value_type = Option<String>)]
    primitive_type: JsonField,
    /// The agent that replied, or the tool that was called.
    primitive_name: String,
    /// The input as text.
    input: String,
    /// The output as text.
    output: String,
    /// The input as it was sent.
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    #[schema(value_type = Option<String>)]
    args: JsonField,
    /// The output as it was sent.
    #[serde(skip_serializing_if = "JsonField::is_missing")]
    #[schema(value_type = Option<String>)]
    result: JsonField,
    success: bool,
    /// In milliseconds.
    latency: i64,
    /// Unix time in milliseconds when it happened.
    timestamp: i64,
    /// The time that was sent, if it is more than a day after the event's arrival. `timestamp` is then a minute before
    /// the arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    checkpoints: Option<JsonText>,
    /// The other members of an OpenTelemetry span.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    span: Option<JsonText>,
}

impl CapturedEvent {
    /// Returns the event of a row.
    ///
    /// # Errors
    /// [`StoreError`] if the row's payload cannot be read.
    pub fn of(row: CapturedRow) -> Result<Self, StoreError> {
        let detail: StoredDetail = serde_json::from_str(&row.payload)?;
        Ok(Self {
            event_id: row.public_id.unwrap_or_else(|| row.event_id.to_string()),
            id: row.event_id,
            conversation_id: row.session_id,
            session_id: row.session_public_id,
            user_id: row.user_id,
            connection_type: row.connection_type,
            client_config: row.client_config,
            parent_id: detail.parent_id.or_else(|| row.parent_id.map(|id| id.to_string())),
            number: row.number,
            kind: row.kind,
            primitive_type: detail.primitive_type,
            primitive_name: row.name.unwrap_or_default(),
            input: reading::input(&detail.args),
            output: reading::output(&detail.result),
            args: detail.args,
            result: detail.result,
            success: row.success,
            latency: row.latency_ms,
            timestamp: row.at.timestamp_millis(),
            claimed_timestamp: detail.claimed_timestamp,
            metadata: detail.metadata,
            checkpoints: detail.checkpoints,
            span: detail.span,
        })
    }

    /// Returns its cells in a CSV file, in the order of [`Self::COLUMNS`].
    pub fn cells(&self) -> [String; 17] {
        let text = |given: &JsonField| match given {
            JsonField::Absent | JsonField::Null => String::new(),
            JsonField::String(text) => text.clone(),
            other => other.to_json().map(|json| json.as_str().to_owned()).unwrap_or_default(),
        };
        let json = |json: &Option<JsonText>| json.as_ref().map(|json| json.as_str().to_owned()).unwrap_or_default();
        [
            self.event_id.clone(),
            self.session_id.clone(),
            self.conversation_id.to_string(),
            self.user_id.clone().unwrap_or_default(),
            self.timestamp.to_string(),
            self.kind.clone(),
            self.primitive_name.clone(),
            self.success.to_string(),
            self.latency.to_string(),
            self.input.clone(),
            self.output.clone(),
            text(&self.args),
            text(&self.result),
            json(&self.metadata),
            self.parent_id.clone().unwrap_or_default(),
            self.connection_type.clone().unwrap_or_default(),
            self.client_config.clone().unwrap_or_default(),
        ]
    }

    /// The columns of a CSV file of events.
    pub const COLUMNS: [&str; 17] = [
        "event_id",
        "session_id",
        "conversation_id",
        "user_id",
        "timestamp",
        "kind",
        "primitive_name",
        "success",
        "latency",
        "input",
        "output",
        "args",
        "result",
        "metadata",
        "parent_id",
        "connection_type",
        "client_config",
    ];

    pub fn output(&self) -> &str {
        &self.output
    }
}
