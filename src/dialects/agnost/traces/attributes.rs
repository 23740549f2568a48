//! What of a span is its session, its user, its kind, its input and its output: a fixed list of attributes, the first
//! that is there counts (apis/agnost, section 6.3, and the semantic conventions of OpenTelemetry's GenAI group, the
//! Vercel AI SDK, OpenInference and Traceloop).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Map, Value};

use super::super::contract::ID_LIMIT;
use super::super::event::Kind;
use super::super::redaction::{REDACTED, is_secret};

pub const SESSION: [&str; 9] = [
    "agnost.session_id",
    "ai.telemetry.metadata.sessionId",
    "ai.telemetry.metadata.conversationId",
    "ai.telemetry.metadata.projectId",
    "mcp.session.id",
    "gen_ai.conversation.id",
    "session.id",
    "projectId",
    "conversationId",
];
pub const USER: [&str; 5] = ["agnost.user_id", "ai.telemetry.metadata.userId", "enduser.id", "user.id", "user_id"];
const INPUT: [&str; 10] = [
    "agnost.input",
    "input.value",
    "ai.toolCall.args",
    "ai.prompt.messages",
    "ai.prompt",
    "gen_ai.tool.call.arguments",
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "traceloop.entity.input",
    "input",
];
const OUTPUT: [&str; 10] = [
    "agnost.output",
    "output.value",
    "ai.toolCall.result",
    "ai.response.text",
    "ai.response.toolCalls",
    "gen_ai.tool.call.result",
    "gen_ai.output.messages",
    "gen_ai.completion",
    "traceloop.entity.output",
    "output",
];
const TOOL: [&str; 4] = ["gen_ai.tool.name", "ai.toolCall.name", "mcp.tool.name", "tool.name"];
const AGENT: [&str; 3] = ["agnost.agent_name", "gen_ai.agent.name", "ai.telemetry.functionId"];

/// Returns the first of these that is there, as a text that can be an id or a name: not empty, and of no more than
/// [`ID_LIMIT`] bytes.
pub fn first_id(attributes: &[KeyValue], names: &[&str]) -> Option<String> {
    let last = |name: &&str| attributes.iter().rfind(|attribute| attribute.key == **name);
    names.iter().filter_map(last).find_map(|attribute| {
        let id = match attribute.value.as_ref()?.value.as_ref()? {
            Any::StringValue(id) if id.len() > ID_LIMIT => return None,
            Any::StringValue(id) => mended(id),
            _ => text(&value(attribute.value.as_ref())),
        };
        Some(id).filter(|id| (1..=ID_LIMIT).contains(&id.len()))
    })
}

/// The attributes of a span, by name; of several with one name the last.
#[derive(Debug, Default)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    pub fn of(attributes: &[KeyValue]) -> Self {
        Self(members(attributes))
    }

    /// The first of these that is there, as a text; an empty one counts as absent.
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| self.0.get(*name)).map(text).find(|text| !text.is_empty())
    }

    pub fn input(&self) -> Option<String> {
        self.first(&INPUT)
    }

    pub fn output(&self) -> Option<String> {
        self.first(&OUTPUT)
    }

    /// `agnost.kind` (`turn`, `tool` or `span`) decides. Else a span is a tool's where it is called `tool.*`, names a
    /// tool, or says so in its conventions; a turn where it is a root that was told something and answered; and a mere
    /// span otherwise, so that the model calls within a turn do not count as turns of their own.
    pub fn kind(&self, span_name: &str, is_root: bool) -> Kind {
        let says = |name: &str, word: &str| {
            self.0.get(name).and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        if says("agnost.kind", "turn") {
            Kind::Turn
        } else if says("agnost.kind", "tool") {
            Kind::Tool
        } else if says("agnost.kind", "span") {
            Kind::Span
        } else if span_name.starts_with("tool.")
            || self.first(&TOOL).is_some()
            || says("gen_ai.operation.name", "execute_tool")
            || says("openinference.span.kind", "TOOL")
            || says("traceloop.span.kind", "tool")
        {
            Kind::Tool
        } else if is_root && (self.input().is_some() || self.output().is_some()) {
            Kind::Turn
        } else {
            Kind::Span
        }
    }

    /// What spoke or was called.
    pub fn name(&self, kind: Kind, span_name: &str) -> String {
        let named = match kind {
            Kind::Tool => self.first(&TOOL),
            _ => self.first(&AGENT),
        };
        named.unwrap_or_else(|| match kind {
            Kind::Tool => span_name.strip_prefix("tool.").unwrap_or(span_name).to_owned(),
            _ => span_name.to_owned(),
        })
    }

    /// All of them as an object.
    pub fn into_object(self) -> Map<String, Value> {
        self.0
    }
}

/// Key-value pairs as an object, without the credentials among recorded headers
/// (`http.request.header.<name>`, OpenTelemetry's HTTP conventions).
pub fn members(attributes: &[KeyValue]) -> Map<String, Value> {
    let pair = |attribute: &KeyValue| {
        let name = mended(&attribute.key);
        let header = name.strip_prefix("http.request.header.").or_else(|| name.strip_prefix("http.response.header."));
        let secret = header.is_some_and(|header| is_secret(&header.replace('_', "-")));
        let value = if secret { Value::from(REDACTED) } else { value(attribute.value.as_ref()) };
        (name, value)
    };
    attributes.iter().map(pair).collect()
}

/// A value as JSON: bytes in base64, numbers that JSON has not as their names.
fn value(any: Option<&AnyValue>) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => Value::from(mended(text)),
        Some(Any::BoolValue(truth)) => Value::from(*truth),
        Some(Any::IntValue(number)) => Value::from(*number),
        Some(Any::DoubleValue(number)) if number.is_finite() => Value::from(*number),
        Some(Any::DoubleValue(number)) => Value::from(number.to_string()),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|any| value(Some(any))).collect(),
        Some(Any::KvlistValue(list)) => Value::Object(members(&list.values)),
        Some(Any::BytesValue(bytes)) => Value::from(STANDARD.encode(bytes)),
        Some(Any::StringValueStrindex(index)) => Value::from(*index),
    }
}

/// A text that Postgres can hold.
pub fn mended(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
