//! Reads messages in all their formats.

use serde_json::{Map, Value};

use super::{Side, parse};

type Object = Map<String, Value>;

/// Levels of nested values that are searched.
const MAX_DEPTH: usize = 12;

/// Members that contain a message to an agent, in the order in which they are searched.
const INPUT: [&str; 34] = [
    "messages",
    "input_messages",
    "inputMessages",
    "prompt",
    "prompts",
    "input",
    "inputs",
    "contents",
    "new_message",
    "newMessage",
    "message",
    "question",
    "query",
    "user_input",
    "userInput",
    "user_prompt",
    "userPrompt",
    "user_message",
    "userMessage",
    "task",
    "text",
    "content",
    "parts",
    "chat_history",
    "history",
    "request",
    "body",
    "state",
    "llm_request",
    "kwargs",
    "args",
    "arguments",
    "payload",
    "data",
];
/// Members that contain a reply, in the order in which they are searched.
const OUTPUT: [&str; 32] = [
    "choices",
    "generations",
    "candidates",
    "output_text",
    "outputText",
    "final_output",
    "finalOutput",
    "final_result",
    "text",
    "output",
    "outputs",
    "content",
    "parts",
    "message",
    "messages",
    "response",
    "responses",
    "answer",
    "result",
    "results",
    "reply",
    "completion",
    "return_values",
    "generated_text",
    "raw",
    "delta",
    "value",
    "data",
    "state",
    "update",
    "kwargs",
    "body",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Assistant,
    System,
    Tool,
    /// The message names no speaker.
    Unknown,
}

impl Speaker {
    /// Returns the speaker that a role, a type or a class names.
    pub fn of(role: &str) -> Option<Self> {
        let role = role.rsplit(['.', '/']).next().unwrap_or(role).to_ascii_lowercase();
        let role = role.strip_suffix("messagechunk").or_else(|| role.strip_suffix("message")).unwrap_or(&role);
        match role.trim_end_matches(['-', '_']) {
            "user" | "human" | "customer" | "user-prompt" => Some(Self::User),
            "assistant" | "ai" | "model" | "bot" | "chatbot" => Some(Self::Assistant),
            "system" | "developer" | "system-prompt" | "instructions" => Some(Self::System),
            "tool" | "function" | "tool-call" | "tool-response" | "tool-return" | "retry-prompt" | "observation" => {
                Some(Self::Tool)
            }
            _ => None,
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    pub speaker: Speaker,
    pub text: String,
}

/// Returns the messages in a value, in their order.
pub fn utterances(value: &Value, side: Side) -> Vec<Utterance> {
    let mut found = Vec::new();
    collect(value, side, 0, &mut found);
    found
}

fn collect(value: &Value, side: Side, depth: usize, found: &mut Vec<Utterance>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::String(text) => match parse(text).filter(|parsed| !parsed.is_string()) {
            Some(parsed) if depth > 0 => {
                let before = found.len();
                collect(&parsed, side, depth + 1, found);
                if found.len() == before {
                    found.push(Utterance { speaker: Speaker::Unknown, text: text.clone() });
                }
            }
            _ => found.push(Utterance { speaker: Speaker::Unknown, text: text.clone() }),
        },
        Value::Array(list) => {
            if let Some(message) = pair(list) {
                found.push(message);
            } else if let Some(text) = only_parts(list) {
                found.push(Utterance { speaker: Speaker::Unknown, text });
            } else {
                list.iter().for_each(|element| collect(element, side, depth + 1, found));
            }
        }
        Value::Object(object) => object_of(object, side, depth, found),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads `["user", "hi"]`.
fn pair(list: &[Value]) -> Option<Utterance> {
    let [Value::String(role), content] = list else { return None };
    let speaker = Speaker::of(role)?;
    Some(Utterance { speaker, text: content_text(content) })
}

/// Reads a list of the parts of one content, for example `[{"text": "hi"}]`.
fn only_parts(list: &[Value]) -> Option<String> {
    let is_part = |value: &Value| {
        value
            .as_object()
            .is_some_and(|part| speaker(part).is_none() && (part.contains_key("text") || is_tool_part(part)))
    };
    (!list.is_empty() && list.iter().all(is_part)).then(|| joined(list)).filter(|text| !text.is_empty())
}

fn object_of(object: &Object, side: Side, depth: usize, found: &mut Vec<Utterance>) {
    // Pydantic AI: a message whose parts have their own speakers.
    if let Some(Value::Array(parts)) = object.get("parts")
        && parts.iter().any(|part| part.get("part_kind").is_some())
    {
        found.extend(parts.iter().filter_map(|part| {
            let kind = part.get("part_kind")?.as_str()?;
            let speaker = Speaker::of(kind).or((kind == "text").then_some(Speaker::Assistant))?;
            Some(Utterance { speaker, text: content_text(part.get("content")?) })
        }));
        return;
    }
    if let Some(speaker) = speaker(object) {
        let content = content_of(object);
        let is_result = content.is_some_and(is_only_results);
        let speaker = if is_result { Speaker::Tool } else { speaker };
        found.push(Utterance { speaker, text: content.map(message_text).unwrap_or_default() });
        return;
    }
    // A wrapper of one message: {"message": {…}}, LangChain's {"id": […], "kwargs": {…}}.
    if let Some(inner) = object.get("message").filter(|inner| inner.as_object().is_some_and(|m| speaker(m).is_some())) {
        return collect(inner, side, depth + 1, found);
    }
    let names: &[&str] = match side {
        Side::Input => &INPUT,
        Side::Output => &OUTPUT,
    };
    for name in names {
        let Some(inner) = object.get(*name) else { continue };
        let before = found.len();
        match (*name, inner) {
            // Only the first of several replies to one request is read.
            ("choices" | "candidates", Value::Array(list)) => {
                list.iter().take(1).for_each(|first| collect(first, side, depth + 1, found));
            }
            _ => collect(inner, side, depth + 1, found),
        }
        if found[before..].iter().any(|utterance| !utterance.text.trim().is_empty()) {
            return;
        }
        // A message without a text is only used if nothing else is found.
        if found.len() > before && found[before..].iter().any(|utterance| utterance.speaker != Speaker::Unknown) {
            return;
        }
        found.truncate(before);
    }
}

/// Returns the speaker of a message, or `None` if the object is not a message.
fn speaker(object: &Object) -> Option<Speaker> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let labelled = || object.get("role").and_then(|role| role.get("label").or(role.get("value"))?.as_str());
    if let Some(role) = text("role").or_else(labelled).or_else(|| text("message.role")) {
        return Some(Speaker::of(role).unwrap_or(Speaker::Unknown));
    }
    if let Some(event) = text("event.name").and_then(|name| name.strip_prefix("gen_ai.")) {
        return event_speaker(event);
    }
    let class = || object.get("id").and_then(Value::as_array).and_then(|id| id.last()).and_then(Value::as_str);
    let has_content = ["content", "kwargs", "data", "parts"].iter().any(|name| object.contains_key(*name));
    has_content.then(|| text("type").and_then(Speaker::of).or_else(|| class().and_then(Speaker::of))).flatten()
}

/// Returns the speaker of one of OpenTelemetry's events, by its name without `gen_ai.`.
pub fn event_speaker(name: &str) -> Option<Speaker> {
    match name {
        "user.message" => Some(Speaker::User),
        "system.message" => Some(Speaker::System),
        "assistant.message" | "choice" => Some(Speaker::Assistant),
        "tool.message" => Some(Speaker::Tool),
        _ => None,
    }
}

fn content_of(object: &Object) -> Option<&Value> {
    const NAMES: [&str; 12] = [
        "content",
        "parts",
        "contents",
        "message.content",
        "message.contents",
        "text",
        "items",
        "message",
        "kwargs",
        "data",
        "gen_ai.event.content",
        "body",
    ];
    NAMES.iter().filter_map(|name| object.get(*name)).find(|value| !is_empty(value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Returns the text of a message's parts, or the kinds of the parts if none is a text.
fn message_text(content: &Value) -> String {
    let text = content_text(content);
    if !text.is_empty() {
        return text;
    }
    let kinds = content.as_array().into_iter().flatten().filter_map(|part| {
        let part = part.as_object()?;
        (!is_tool_part(part)).then(|| kind(part))?.map(|kind| format!("[{kind}]"))
    });
    kinds.collect::<Vec<_>>().join(" ")
}

/// Returns the text of a content, or the texts of its parts in order.
pub fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => match parse(text) {
            Some(Value::Array(list)) => only_parts(&list).unwrap_or_else(|| text.clone()),
            Some(Value::Object(object))
                if content_of(&object).is_some() && (object.len() == 1 || speaker(&object).is_some()) =>
            {
                content_of(&object).map(content_text).unwrap_or_default()
            }
            _ => text.clone(),
        },
        Value::Array(list) => joined(list),
        Value::Object(part) => part_text(part),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

fn joined(parts: &[Value]) -> String {
    let texts: Vec<String> = parts.iter().map(content_text).filter(|text| !text.is_empty()).collect();
    texts.join("\n")
}

/// Returns the kind of a part.
fn kind(part: &Object) -> Option<&str> {
    ["type", "kind", "part_kind", "content_type", "contentType", "message_content.type"]
        .iter()
        .find_map(|name| part.get(*name)?.as_str())
}

fn part_text(part: &Object) -> String {
    let kind = kind(part).map(str::to_ascii_lowercase);
    let is_text = kind.as_deref().is_none_or(|kind| {
        kind.contains("text") || matches!(kind, "user-prompt" | "message" | "human" | "ai" | "content" | "markdown")
    });
    let is_thought = part.get("thought") == Some(&Value::Bool(true));
    if !is_text || is_thought || kind.as_deref() == Some("reasoning_text") || is_tool_part(part) {
        return String::new();
    }
    const NAMES: [&str; 9] = [
        "text",
        "content",
        "parts",
        "message_content.text",
        "message_content",
        "value",
        "contents",
        "message",
        "kwargs",
    ];
    NAMES.iter().filter_map(|name| part.get(*name)).map(content_text).find(|text| !text.is_empty()).unwrap_or_default()
}

/// Returns whether a part is a tool call or its result.
fn is_tool_part(part: &Object) -> bool {
    const NAMES: [&str; 6] =
        ["toolUse", "toolResult", "functionCall", "functionResponse", "function_call", "function_response"];
    NAMES.iter().any(|name| part.get(*name).is_some_and(|value| !value.is_null()))
        || kind(part).is_some_and(|kind| kind.contains("tool") || kind.contains("function"))
}

/// Returns whether a content only has results of tools, which some APIs put into a user's message.
fn is_only_results(content: &Value) -> bool {
    let is_result = |part: &Value| {
        let Some(part) = part.as_object() else { return false };
        ["toolResult", "functionResponse", "function_response"]
            .iter()
            .any(|name| part.get(*name).is_some_and(|value| !value.is_null()))
            || kind(part).is_some_and(|kind| {
                matches!(
                    kind,
                    "tool_result" | "tool-result" | "tool_call_response" | "function_call_output" | "tool-return"
                )
            })
    };
    let parsed;
    let content = match content {
        Value::String(text) => match parse(text) {
            Some(inner) => {
                parsed = inner;
                &parsed
            }
            None => return false,
        },
        content => content,
    };
    content.as_array().is_some_and(|parts| !parts.is_empty() && parts.iter().all(is_result))
}
