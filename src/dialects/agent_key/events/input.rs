//! The body of `POST …/events` (docs/dialects/agent-key.md).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::agent_key::AgentKeyError;
use crate::dialects::agent_key::find;
use crate::dialects::agent_key::patch::{self, invalid};
use crate::domain::{EventId, JsonField, JsonText};
use crate::http::Rejection;

/// Characters of all texts of a message.
const TEXT_LIMIT: usize = 200_000;
/// Parts of a message, and outputs of tools in one call.
const MAX_PARTS: usize = 100;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct CreateEvent {
    /// `input_message` (the default), `interrupt`, `compact` or `tool_output`.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<String>, default = "input_message")]
    pub(super) kind: JsonField,
    /// For `input_message`: 1 to 100 of `{"type": "text", "content": …}` or `{"type": "skill", "skill_name": …}`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) messages: JsonField,
    /// Streams the reply as server-sent events.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = false)]
    pub(super) stream_response: JsonField,
    /// For `compact`: the last event to compact.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) compact_up_to_event_id: JsonField,
    /// For `compact`: it is not stored, because the summary consists of the messages themselves.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) compaction_message: JsonField,
    /// For `tool_output`: 1 to 100 of `{"tool_call_id": …, "tool_output": {…}}`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) tool_outputs: JsonField,
}

/// A validated body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Message(Message),
    Interrupt,
    Compact { up_to: Option<EventId> },
    ToolOutput(Vec<JsonText>),
}

/// A message of the user.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub parts: Vec<Part>,
    /// As it was sent.
    pub messages: JsonText,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Skill(String),
}

#[derive(Deserialize)]
struct GivenPart {
    #[serde(default, rename = "type")]
    kind: JsonField,
    #[serde(default)]
    content: JsonField,
    #[serde(default)]
    skill_name: JsonField,
}

#[derive(Serialize)]
struct TextPart<'a> {
    r#type: &'static str,
    content: &'a str,
}

impl CreateEvent {
    /// Returns a message of one text, for the older form of the multipart body.
    pub(super) fn text(text: &str) -> Result<JsonField, Rejection> {
        JsonText::of(&[TextPart { r#type: "text", content: text }])
            .map(JsonField::Array)
            .map_err(|_| Rejection::Internal)
    }

    pub(super) fn streams(&self) -> Result<bool, AgentKeyError> {
        Ok(patch::boolean(&self.stream_response, "stream_response")?.set().unwrap_or(false))
    }

    pub(super) fn read(self) -> Result<Input, AgentKeyError> {
        match &self.kind {
            JsonField::Absent | JsonField::Null => Ok(Input::Message(message(&self.messages)?)),
            JsonField::String(kind) => match kind.as_str() {
                "input_message" => Ok(Input::Message(message(&self.messages)?)),
                "interrupt" => Ok(Input::Interrupt),
                "compact" => compact(&self),
                "tool_output" => Ok(Input::ToolOutput(tool_outputs(&self.tool_outputs)?)),
                _ => Err(invalid("type", "must be input_message, interrupt, compact or tool_output")),
            },
            _ => Err(invalid("type", "must be a string")),
        }
    }
}

fn compact(body: &CreateEvent) -> Result<Input, AgentKeyError> {
    const FIELD: &str = "compact_up_to_event_id";
    patch::text(body.compaction_message.clone(), "compaction_message", 0..=10_000)?;
    match &body.compact_up_to_event_id {
        JsonField::Absent | JsonField::Null => Ok(Input::Compact { up_to: None }),
        given => {
            let id = given.as_str().and_then(find::event_id).ok_or_else(|| invalid(FIELD, "must be an event's id"))?;
            Ok(Input::Compact { up_to: Some(id) })
        }
    }
}

/// Returns the entries of an array of 1 to 100 objects.
fn entries<T: for<'de> Deserialize<'de>>(given: &JsonField, field: &'static str) -> Result<Vec<T>, AgentKeyError> {
    let rejected = || invalid(field, format!("must be an array of 1 to {MAX_PARTS} objects"));
    let JsonField::Array(array) = given else { return Err(rejected()) };
    let entries: Vec<JsonText> = array.read().map_err(|_| rejected())?;
    if !(1..=MAX_PARTS).contains(&entries.len()) || !entries.iter().all(|entry| entry.as_str().starts_with('{')) {
        return Err(rejected());
    }
    entries.iter().map(|entry| entry.read().map_err(|_| invalid(field, "names a member twice"))).collect()
}

fn message(given: &JsonField) -> Result<Message, AgentKeyError> {
    const FIELD: &str = "messages";
    if given.is_missing() {
        return Err(invalid(FIELD, "is required"));
    }
    let parts: Vec<GivenPart> = entries(given, FIELD)?;
    let parts: Result<Vec<Part>, AgentKeyError> = parts
        .into_iter()
        .map(|part| match (part.kind.as_str(), part.content, part.skill_name) {
            (Some("text"), JsonField::String(text), _) if !text.is_empty() => Ok(Part::Text(text)),
            (None, JsonField::String(text), _) if part.kind.is_missing() && !text.is_empty() => Ok(Part::Text(text)),
            (Some("skill"), _, JsonField::String(name)) => Ok(Part::Skill(name)),
            (Some("text"), ..) => Err(invalid(FIELD, "a text must have a content that is not empty")),
            (Some("skill"), ..) => Err(invalid(FIELD, "a skill must have a skill_name")),
            _ => Err(invalid(FIELD, "must be of the type text or skill")),
        })
        .collect();
    let parts = parts?;
    let characters: usize = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) | Part::Skill(text) => text.chars().count(),
        })
        .sum();
    if characters > TEXT_LIMIT {
        return Err(invalid(FIELD, format!("must not exceed {TEXT_LIMIT} characters")));
    }
    let messages = given.to_json().ok_or(Rejection::Internal)?.into_owned();
    Ok(Message { parts, messages })
}

#[derive(Deserialize)]
struct GivenOutput {
    #[serde(default)]
    tool_call_id: JsonField,
    #[serde(default)]
    tool_configuration_name: JsonField,
    #[serde(default)]
    tool_name: JsonField,
    #[serde(default)]
    tool_output: JsonField,
    #[serde(default)]
    error: JsonField,
}

/// The payload of a `tool_output` event: what was sent, and every member that the vendor's SDK requires.
#[derive(Serialize)]
struct ToolOutput {
    tool_call_id: String,
    tool_configuration_name: String,
    tool_name: String,
    tool_output: JsonText,
    error: bool,
}

fn tool_outputs(given: &JsonField) -> Result<Vec<JsonText>, AgentKeyError> {
    const FIELD: &str = "tool_outputs";
    let outputs: Vec<GivenOutput> = entries(given, FIELD)?;
    let payload = |output: GivenOutput| {
        let name = |given: JsonField, or: &str| match given {
            JsonField::Absent | JsonField::Null => Ok(or.to_owned()),
            JsonField::String(text) if text.len() <= 1_000 => Ok(text),
            _ => Err(invalid(FIELD, "names must be strings of at most 1000 bytes")),
        };
        let tool_call_id = name(output.tool_call_id, "")?;
        if tool_call_id.is_empty() {
            return Err(invalid(FIELD, "each must have a tool_call_id"));
        }
        let JsonField::Object(tool_output) = output.tool_output else {
            return Err(invalid(FIELD, "each must have a tool_output that is an object"));
        };
        let tool_name = name(output.tool_name, "client_tool")?;
        let payload = ToolOutput {
            tool_call_id,
            tool_configuration_name: name(output.tool_configuration_name, &tool_name)?,
            tool_name,
            tool_output,
            error: patch::boolean(&output.error, FIELD)?.set().unwrap_or(false),
        };
        JsonText::of(&payload).map_err(|_| Rejection::Internal.into())
    };
    outputs.into_iter().map(payload).collect()
}
