//! What an event says, in one form over all dialects.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::agnost;
use crate::domain::event::Speaker;
use crate::domain::{DialectName, Event, JsonField, JsonText};

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    User,
    Assistant,
    System,
    Tool,
}

/// A message, or the call of a tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReaderMessage {
    role: Role,
    text: Option<String>,
    tool: Option<ToolCall>,
}

/// The call of a tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolCall {
    name: Option<String>,
    /// Any JSON; a text if it was captured as one.
    #[schema(value_type = Option<serde_json::Value>)]
    input: Option<JsonText>,
    /// As the input.
    #[schema(value_type = Option<serde_json::Value>)]
    output: Option<JsonText>,
}

impl ReaderMessage {
    fn said(role: Role, text: Option<&str>) -> Vec<Self> {
        text.map(|text| Self { role, text: Some(text.to_owned()), tool: None }).into_iter().collect()
    }

    fn called(tool: ToolCall) -> Vec<Self> {
        vec![Self { role: Role::Tool, text: None, tool: Some(tool) }]
    }

    /// Returns it with at most `limit` characters of text, and as many bytes of a tool's input and output. Returns
    /// whether something was left out.
    pub(in crate::dialects::sessionary) fn shortened(mut self, limit: usize) -> (Self, bool) {
        let mut is_shortened = false;
        if let Some(text) = &mut self.text
            && let Some((end, _)) = text.char_indices().nth(limit)
        {
            text.truncate(end);
            is_shortened = true;
        }
        for json in self.tool.iter_mut().flat_map(|tool| [&mut tool.input, &mut tool.output]) {
            let Some(long) = json.take_if(|json| json.as_str().len() > limit) else { continue };
            let beginning: String = long.as_str().chars().take(limit).collect();
            *json = JsonText::of(&beginning).ok();
            is_shortened = true;
        }
        (self, is_shortened)
    }
}

/// Returns the messages of an event, in their order. An event that says nothing, such as an interrupt, has none.
pub(in crate::dialects::sessionary) fn messages(dialect: DialectName, event: &Event) -> Vec<ReaderMessage> {
    let text = event.content.as_deref();
    let role = match (dialect, Speaker::of(dialect, &event.kind)) {
        (_, Some(Speaker::Both)) => return turn(event),
        (_, Some(Speaker::User)) => Role::User,
        (_, Some(Speaker::Agent)) => Role::Assistant,
        (DialectName::Agnost, None) => return captured_call(event),
        (DialectName::AgentKey, None) if event.kind == "tool_output" => return tool_output(event),
        // Summaries, transcripts, and what workers submit under words of their own.
        (_, None) => Role::System,
    };
    ReaderMessage::said(role, text)
}

/// The members of a captured event that are shown.
#[derive(Default, Deserialize)]
struct Captured {
    #[serde(default)]
    args: JsonField,
    #[serde(default)]
    result: JsonField,
}

/// Returns the user's message and the agent's reply of a captured turn.
fn turn(event: &Event) -> Vec<ReaderMessage> {
    let captured: Captured = event.payload.read().unwrap_or_default();
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let (input, output) = (said(agnost::reading_input(&captured.args)), said(agnost::reading_output(&captured.result)));
    let mut messages = ReaderMessage::said(Role::User, input.as_deref());
    messages.extend(ReaderMessage::said(Role::Assistant, output.as_deref()));
    messages
}

/// Returns a captured call of a tool, a resource or a prompt.
fn captured_call(event: &Event) -> Vec<ReaderMessage> {
    let captured: Captured = event.payload.read().unwrap_or_default();
    let json = |text: String| if text.is_empty() { None } else { JsonText::of(&text).ok() };
    ReaderMessage::called(ToolCall {
        name: event.author_id.clone(),
        input: json(agnost::reading_input(&captured.args)),
        output: json(agnost::reading_output(&captured.result)),
    })
}

#[derive(Default, Deserialize)]
struct ToolOutput {
    tool_name: Option<String>,
    tool_output: Option<JsonText>,
}

fn tool_output(event: &Event) -> Vec<ReaderMessage> {
    let ToolOutput { tool_name, tool_output } = event.payload.read().unwrap_or_default();
    ReaderMessage::called(ToolCall { name: tool_name, input: None, output: tool_output })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventId, NewEvent, Timestamp};
    use uuid::Uuid;

    fn read(dialect: DialectName, kind: &str, content: Option<&str>, payload: &str) -> serde_json::Value {
        let event = NewEvent {
            author_id: Some("search".to_owned()),
            content: content.map(str::to_owned),
            payload: JsonText::stored(payload.to_owned()).unwrap(),
            ..NewEvent::of(EventId(Uuid::nil()), kind, Timestamp::UNIX_EPOCH)
        };
        serde_json::to_value(messages(dialect, &event.numbered(1, Timestamp::UNIX_EPOCH))).unwrap()
    }

    #[test]
    fn every_dialect_reads_alike() {
        use DialectName::*;
        let said = |role: &str| serde_json::json!([{"role": role, "text": "hi", "tool": null}]);
        for (dialect, kind, role) in [
            (Agntix, "USER", "user"),
            (Agntix, "ASSISTANT", "assistant"),
            (AgentKey, "input_message", "user"),
            (AgentKey, "agent_output", "assistant"),
            (AgentKey, "compaction", "system"),
            (Messaging, "user", "user"),
            (Messaging, "agent_response", "assistant"),
            (IntegerId, "agent", "assistant"),
            (IntegerId, "transcript", "system"),
        ] {
            assert_eq!(read(dialect, kind, Some("hi"), "{}"), said(role), "{dialect} {kind}");
        }
        assert_eq!(read(AgentKey, "session_interrupted", None, "{}"), serde_json::json!([]));
        let turn = r#"{"args":"{\"input\":\"hi\"}","result":"\"there\""}"#;
        let expected = serde_json::json!([
            {"role": "user", "text": "hi", "tool": null},
            {"role": "assistant", "text": "there", "tool": null},
        ]);
        assert_eq!(read(Agnost, "turn", Some("hi"), turn), expected);
        let call = serde_json::json!([{"role": "tool", "text": null,
            "tool": {"name": "search", "input": "{\"q\":1}", "output": "ok"}}]);
        assert_eq!(read(Agnost, "tool", None, r#"{"args":"{\"tool\":\"search\",\"q\":1}","result":"ok"}"#), call);
        let output = r#"{"tool_call_id":"c","tool_name":"search","tool_output":{"a":[1]},"error":false}"#;
        let call = serde_json::json!([{"role": "tool", "text": null,
            "tool": {"name": "search", "input": null, "output": {"a": [1]}}}]);
        assert_eq!(read(AgentKey, "tool_output", None, output), call);
    }
}
