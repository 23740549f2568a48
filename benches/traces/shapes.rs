//! Traces in the shapes of frameworks: one request of a user, with an agent, two model calls and a tool.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::json;

/// The size of a batch of OpenTelemetry's exporters.
const SPANS_PER_EXPORT: usize = 512;
/// Requests of one conversation.
const TURNS: usize = 4;

/// An export that is ready to be sent.
pub struct Export {
    pub body: Vec<u8>,
    pub content_type: &'static str,
    pub packing: Option<&'static str>,
    pub spans: usize,
}

/// Returns at least `spans` spans, in exports of every encoding: protobuf and JSON, compressed and not.
pub fn exports(spans: usize, run: &str) -> Vec<Export> {
    let mut exports = Vec::new();
    let (mut batch, mut number, mut sent) = (Vec::new(), 0, 0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    while sent < spans {
        batch.extend(trace(number, run, now));
        number += 1;
        if batch.len() >= SPANS_PER_EXPORT || sent + batch.len() >= spans {
            sent += batch.len();
            exports.push(export(std::mem::take(&mut batch), exports.len()));
        }
    }
    exports
}

fn export(spans: Vec<Span>, number: usize) -> Export {
    let count = spans.len();
    let scope = InstrumentationScope { name: "bench".to_owned(), ..InstrumentationScope::default() };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: vec![text("service.name", "bench")], ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    };
    // One in four is JSON, as browsers and some SDKs of Node send it, and half are compressed.
    let (body, content_type) = if number % 4 == 3 {
        (serde_json::to_vec(&request).unwrap_or_default(), "application/json")
    } else {
        (request.encode_to_vec(), "application/x-protobuf")
    };
    if number.is_multiple_of(2) {
        return Export { body, content_type, packing: None, spans: count };
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let body = packed.write_all(&body).and_then(|()| packed.finish()).unwrap_or_default();
    Export { body, content_type, packing: Some("gzip"), spans: count }
}

fn text(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// A span's data without its position in the trace.
struct Part {
    name: &'static str,
    parent: usize,
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
}

fn part(name: &'static str, parent: usize, attributes: Vec<KeyValue>) -> Part {
    Part { name, parent, attributes, events: Vec::new() }
}

/// Returns the spans of one request. The frameworks take turns.
fn trace(number: usize, run: &str, now: u64) -> Vec<Span> {
    let (session, user) = (format!("{run}-{}", number / TURNS), format!("user-{}", number / TURNS % 997));
    let question = format!("What is the weather in the city with the number {number}, and what shall I wear there?");
    let answer = "It is 7 degrees and windy. Take a coat, and an umbrella for the evening. ".repeat(1 + number % 8);
    let parts = match number % 4 {
        0 => ai_sdk(&session, &user, &question, &answer),
        1 => open_inference(&session, &user, &question, &answer),
        2 => strands(&session, &user, &question, &answer),
        _ => semantic_conventions(&session, &user, &question, &answer),
    };
    let trace_id = id(&[run.as_bytes(), &number.to_be_bytes()], 16);
    let span_id = |place: usize| id(&[&trace_id, &place.to_be_bytes()], 8);
    let began = now + number as u64 * 10_000;
    let spans = parts.into_iter().enumerate().map(|(place, part)| Span {
        trace_id: trace_id.clone(),
        span_id: span_id(place),
        parent_span_id: if place == 0 { Vec::new() } else { span_id(part.parent) },
        name: part.name.to_owned(),
        start_time_unix_nano: began + place as u64 * 1_000,
        end_time_unix_nano: began + 900_000_000 - place as u64 * 1_000,
        attributes: part.attributes,
        events: part.events,
        ..Span::default()
    });
    spans.collect()
}

/// Returns `length` bytes that differ for each input (FNV-1a, twice).
fn id(parts: &[&[u8]], length: usize) -> Vec<u8> {
    let hash = |seed: u64| {
        let bytes = parts.iter().flat_map(|part| part.iter());
        bytes.fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)).to_be_bytes()
    };
    [hash(0xcbf2_9ce4_8422_2325), hash(0x9e37_79b9_7f4a_7c15)].concat().into_iter().take(length).collect()
}

/// The Vercel AI SDK 4 to 6, below a request of Next.js.
fn ai_sdk(session: &str, user: &str, question: &str, answer: &str) -> Vec<Part> {
    let who = || {
        vec![
            text("ai.telemetry.metadata.sessionId", session),
            text("ai.telemetry.metadata.userId", user),
            text("ai.telemetry.functionId", "weather bot"),
        ]
    };
    let with = |more: Vec<KeyValue>| [who(), more].concat();
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": question}]}]).to_string();
    let call = || with(vec![text("ai.prompt.messages", &messages), text("ai.model.id", "m-1")]);
    vec![
        part("POST /api/chat", 0, vec![text("http.route", "/api/chat")]),
        part(
            "ai.generateText",
            0,
            with(vec![text("ai.prompt", &json!({"prompt": question}).to_string()), text("ai.response.text", answer)]),
        ),
        part("ai.generateText.doGenerate", 1, call()),
        part(
            "ai.toolCall",
            1,
            with(vec![text("ai.toolCall.name", "weather"), text("ai.toolCall.args", r#"{"city":"7"}"#)]),
        ),
        part("ai.generateText.doGenerate", 1, [call(), vec![text("ai.response.text", answer)]].concat()),
    ]
}

/// OpenAI Agents by OpenInference, whose root has no messages.
fn open_inference(session: &str, user: &str, question: &str, answer: &str) -> Vec<Part> {
    let with = |kind: &str, more: Vec<KeyValue>| {
        [vec![text("session.id", session), text("user.id", user), text("openinference.span.kind", kind)], more].concat()
    };
    let call = |reply: Option<&str>| {
        let mut attributes = with(
            "LLM",
            vec![
                text("llm.input_messages.0.message.role", "system"),
                text("llm.input_messages.0.message.content", "You are a weather bot."),
                text("llm.input_messages.1.message.role", "user"),
                text("llm.input_messages.1.message.content", question),
                text("input.value", &json!([{"role": "user", "content": question}]).to_string()),
            ],
        );
        attributes.extend(reply.map(|reply| text("llm.output_messages.0.message.content", reply)));
        attributes
    };
    vec![
        part("Agent workflow", 0, with("AGENT", Vec::new())),
        part("weather bot", 0, with("AGENT", Vec::new())),
        part("response", 1, call(None)),
        part("weather", 1, with("TOOL", vec![text("tool.name", "weather"), text("input.value", r#"{"city":"7"}"#)])),
        part("response", 1, call(Some(answer))),
    ]
}

/// Strands Agents, which writes messages into events.
fn strands(session: &str, user: &str, question: &str, answer: &str) -> Vec<Part> {
    let with = |more: Vec<KeyValue>| [vec![text("session.id", session), text("user.id", user)], more].concat();
    let event = |name: &str, attributes| Event { name: name.to_owned(), attributes, ..Event::default() };
    let asked = || event("gen_ai.user.message", vec![text("content", &json!([{"text": question}]).to_string())]);
    let replied = || event("gen_ai.choice", vec![text("message", answer), text("finish_reason", "end_turn")]);
    let agent = with(vec![text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", "weather bot")]);
    vec![
        Part { events: vec![asked(), replied()], ..part("invoke_agent weather bot", 0, agent) },
        Part { events: vec![asked()], ..part("execute_event_loop_cycle", 0, with(Vec::new())) },
        Part { events: vec![asked()], ..part("chat", 1, with(vec![text("gen_ai.operation.name", "chat")])) },
        part("execute_tool weather", 1, with(vec![text("gen_ai.tool.name", "weather")])),
        Part { events: vec![asked(), replied()], ..part("chat", 1, with(vec![text("gen_ai.operation.name", "chat")])) },
    ]
}

/// The newest semantic conventions of GenAI.
fn semantic_conventions(session: &str, user: &str, question: &str, answer: &str) -> Vec<Part> {
    let asked = json!([{"role": "user", "parts": [{"type": "text", "content": question}]}]).to_string();
    let replied = json!([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]).to_string();
    let who = || vec![text("gen_ai.conversation.id", session), text("enduser.id", user)];
    let messages = || vec![text("gen_ai.input.messages", &asked), text("gen_ai.output.messages", &replied)];
    let agent = vec![text("gen_ai.operation.name", "invoke_agent"), text("gen_ai.agent.name", "weather bot")];
    vec![
        part("invoke_agent weather bot", 0, [who(), agent, messages()].concat()),
        part("chat m-1", 0, [who(), messages()].concat()),
        part("execute_tool weather", 0, [who(), vec![text("gen_ai.tool.name", "weather")]].concat()),
        part("chat m-1", 0, [who(), messages()].concat()),
    ]
}
