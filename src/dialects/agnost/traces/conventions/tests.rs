//! Tests each row of the table with spans as the framework sends them.

mod events;
mod ids;

use chrono::DateTime;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::json;

use super::super::super::reading;
use super::super::attributes::pairs;
use super::super::shared::{Scope, Shared, Source};
use super::super::span::Placed;
use super::*;
use crate::domain::trace::{Placement, SpanKind, place};
use crate::domain::{JsonField, Mint, NewSpan};

const Q: &str = "Weather in Oslo?";
const A: &str = "It is 7 degrees in Oslo.";

fn attributes(object: Value) -> Vec<KeyValue> {
    match object {
        Value::Object(object) => pairs(object),
        other => panic!("no object: {other}"),
    }
}

fn event(name: &str, object: Value) -> Event {
    Event { name: name.to_owned(), attributes: attributes(object), ..Event::default() }
}

/// Reads a span of an instrumentation scope.
fn read(scope: &str, name: &str, object: Value, events: Vec<Event>) -> NewSpan {
    let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: name.to_owned(), events, ..Span::default() };
    let scope = Scope { name: scope.to_owned(), json: None };
    let shared = Shared { sources: vec![Source::default()], scopes: vec![scope] };
    let (attributes, is_span) = (attributes(object), true);
    let placed = Placed { span, attributes, source: 0, scope: 0, logs: 0, is_span, merged: None };
    let now = DateTime::from_timestamp(1_777_453_200, 0).unwrap();
    placed.capture(&shared, now, &Mint::seeded(1)).unwrap().unwrap()
}

fn placement(span: &NewSpan) -> Placement {
    place(std::slice::from_ref(&span.facts)).remove(0)
}

fn output(span: &NewSpan) -> String {
    let payload: Map<String, Value> = span.capture.event.payload.read().unwrap();
    reading::output(&JsonField::String(payload.get("result").map(text).unwrap_or_default()))
}

/// Checks that a span is read as a turn with the input [`Q`] and the output [`A`].
#[track_caller]
fn is_turn(span: &NewSpan, session: Option<&str>, user: Option<&str>, name: &str) {
    let Placement { kind, name: named, session: its_session, user: its_user } = placement(span);
    assert_eq!((span.capture.event.content.as_deref().unwrap_or_default(), output(span).as_str()), (Q, A));
    assert_eq!((kind, named.as_str()), (SpanKind::Turn, name));
    assert_eq!((its_session.as_deref(), its_user.as_deref()), (session, user));
}

#[track_caller]
fn is_tool(span: &NewSpan, name: &str, input: &str, result: &str) {
    let Placement { kind, name: named, .. } = placement(span);
    assert_eq!((kind, named.as_str()), (SpanKind::Tool, name));
    assert_eq!((span.capture.event.content.as_deref().unwrap_or_default(), output(span).as_str()), (input, result));
}

fn encoded(value: Value) -> String {
    value.to_string()
}

/// Returns a message of parts, as in the newest semantic conventions.
fn parts(role: &str, text: &str) -> Value {
    json!({"role": role, "parts": [{"type": "text", "content": text}]})
}

#[test]
fn sessionary() {
    let object = json!({"agnost.session_id": "s", "agnost.user_id": "u", "agnost.agent_name": "bot", "agnost.input": Q, "agnost.output": A,
        "session.id": "other", "gen_ai.agent.name": "other"});
    is_turn(&read("app", "chat", object, vec![]), Some("s"), Some("u"), "bot");
}

#[test]
fn ai_sdk_4_to_7() {
    let metadata = json!({"ai.telemetry.metadata.sessionId": "s", "ai.telemetry.metadata.userId": "u", "ai.telemetry.functionId": "chat",
        "operation.name": "ai.generateText chat", "ai.operationId": "ai.generateText", "ai.response.text": A});
    for prompt in [
        json!({"prompt": Q}),
        json!({"system": "Be brief", "messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}]}),
        json!({"messages": [{"role": "user", "content": "before"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": Q}]}),
    ] {
        let mut object = metadata.clone();
        object["ai.prompt"] = encoded(prompt).into();
        is_turn(&read("ai", "ai.generateText", object, vec![]), Some("s"), Some("u"), "chat");
    }
    let newest = json!({"ai.settings.context.sessionId": "s", "ai.settings.context.userId": "u", "gen_ai.agent.name": "chat",
        "gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": encoded(json!([parts("user", Q)])),
        "gen_ai.output.messages": encoded(json!([parts("assistant", A)]))});
    is_turn(&read("ai", "invoke_agent chat", newest, vec![]), Some("s"), Some("u"), "chat");
    let tool = json!({"operation.name": "ai.toolCall", "ai.operationId": "ai.toolCall", "ai.toolCall.name": "weather",
        "ai.toolCall.args": r#"{"city":"\u4f60"}"#, "ai.toolCall.result": "7"});
    is_tool(&read("ai", "ai.toolCall", tool, vec![]), "weather", r#"{"city":"你"}"#, "7");
    let embedding =
        read("ai", "ai.embed", json!({"ai.operationId": "ai.embed", "ai.value": Q, "input.value": Q}), vec![]);
    assert_eq!(placement(&embedding).kind, SpanKind::Span);
}

#[test]
fn langfuse_3_to_5() {
    let function = json!({"args": [Q], "kwargs": {}});
    for (input, output) in [(Q.to_owned(), A.to_owned()), (encoded(function), encoded(json!(A)))] {
        let object = json!({"langfuse.session.id": "s", "langfuse.user.id": "u", "langfuse.observation.type": "span",
            "langfuse.observation.input": input, "langfuse.observation.output": output});
        is_turn(&read("langfuse-sdk", "answer", object, vec![]), Some("s"), Some("u"), "answer");
    }
    let metadata = json!({"langfuse.trace.metadata.session_id": "s", "langfuse.observation.metadata": "{\"user_id\":\"u\"}",
        "langfuse.observation.input": Q, "langfuse.observation.output": A, "langfuse.observation.type": "generation"});
    is_turn(&read("langfuse-sdk", "answer", metadata, vec![]), Some("s"), Some("u"), "answer");
    let tool = json!({"langfuse.observation.type": "tool", "langfuse.observation.input": "{}", "langfuse.observation.output": "7"});
    is_tool(&read("langfuse-sdk", "weather", tool, vec![]), "weather", "{}", "7");
}

#[test]
fn mastra_1() {
    let object = json!({"mastra.span.type": "agent_run", "mastra.agent_run.input": Q, "gen_ai.agent.name": "weather-agent",
        "mastra.agent_run.output": encoded(json!({"text": A, "files": []})), "mastra.metadata.threadId": "s", "mastra.metadata.resourceId": "u"});
    is_turn(
        &read("@mastra/otel-exporter", "invoke_agent weather-agent", object, vec![]),
        Some("s"),
        Some("u"),
        "weather-agent",
    );
    let messages = json!({"mastra.span.type": "agent_run", "mastra.metadata.sessionId": "s", "mastra.metadata.userId": "u",
        "mastra.agent_run.input": encoded(json!([{"role": "user", "content": Q}])), "mastra.agent_run.output": encoded(json!({"text": A}))});
    is_turn(&read("@mastra/otel-exporter", "agent run", messages, vec![]), Some("s"), Some("u"), "agent run");
    let tool = json!({"mastra.span.type": "tool_call", "gen_ai.tool.name": "weather", "mastra.tool_call.input": "{}", "mastra.tool_call.output": "7"});
    is_tool(&read("@mastra/otel-exporter", "execute_tool weather", tool, vec![]), "weather", "{}", "7");
}

#[test]
fn mastra_0() {
    let object = json!({"threadId": "s", "resourceId": "u", "componentName": "weather-agent", "agentName": "weather-agent",
        "agent.generate.argument.0": encoded(json!([{"role": "user", "content": Q}])), "agent.generate.result": encoded(json!({"text": A}))});
    is_turn(&read("default-tracer", "agent.generate", object, vec![]), Some("s"), Some("u"), "weather-agent");
}

#[test]
fn pydantic_ai_2_to_5() {
    for messages in ["pydantic_ai.all_messages", "all_messages_events"] {
        let history = match messages {
            "all_messages_events" => json!([{"event.name": "gen_ai.user.message", "content": Q, "role": "user"},
                {"event.name": "gen_ai.assistant.message", "content": A, "role": "assistant"}]),
            _ => json!([parts("user", Q), parts("assistant", A)]),
        };
        let object = json!({messages: encoded(history), "gen_ai.conversation.id": "run", "final_result": A, "gen_ai.agent.name": "support",
            "session.id": "s", "user.id": "u"});
        is_turn(&read("pydantic-ai", "invoke_agent support", object.clone(), vec![]), Some("s"), Some("u"), "support");
        let mut without = object;
        without.as_object_mut().unwrap().shift_remove("final_result");
        is_turn(&read("pydantic-ai", "agent run", without, vec![]), Some("s"), Some("u"), "support");
    }
    let metadata = json!({"metadata": "{\"session_id\":\"s\",\"user_id\":\"u\"}", "agent_name": "support", "final_result": A,
        "pydantic_ai.all_messages": encoded(json!([parts("user", Q)]))});
    is_turn(&read("pydantic-ai", "agent run", metadata, vec![]), Some("s"), Some("u"), "support");
    let tool = json!({"gen_ai.tool.name": "weather", "tool_arguments": "{}", "tool_response": "7"});
    is_tool(&read("pydantic-ai", "running tool", tool, vec![]), "weather", "{}", "7");
}

#[test]
fn openinference() {
    let request = json!({"model": "m", "messages": [{"role": "user", "content": "raw"}]});
    let object = json!({"openinference.span.kind": "LLM", "session.id": "s", "user.id": "u", "input.value": encoded(request), "input.mime_type": "application/json",
        "output.value": encoded(json!({"choices": [{"message": {"role": "assistant", "content": "raw"}}]})),
        "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "Be brief.",
        "llm.input_messages.10.message.role": "user", "llm.input_messages.10.message.content": Q,
        "llm.input_messages.2.message.role": "user", "llm.input_messages.2.message.content": "before",
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": A});
    is_turn(
        &read("openinference.instrumentation.openai", "ChatCompletion", object, vec![]),
        Some("s"),
        Some("u"),
        "ChatCompletion",
    );
    let contents = json!({"openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text", "llm.input_messages.0.message.contents.0.message_content.text": Q,
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.contents.0.message_content.type": "text", "llm.output_messages.0.message.contents.0.message_content.text": A});
    is_turn(&read("openinference.instrumentation.anthropic", "messages", contents, vec![]), None, None, "messages");
    // LangGraph, LangChain: the state; the thread is in the metadata.
    let graph = json!({"openinference.span.kind": "CHAIN", "metadata": "{\"thread_id\":\"s\",\"user_id\":\"u\",\"langgraph_step\":1}",
        "input.value": encoded(json!({"messages": [["user", Q]]})), "output.value": encoded(json!({"messages": [{"type": "human", "content": Q}, {"type": "ai", "content": A}]}))});
    is_turn(
        &read("openinference.instrumentation.langchain", "LangGraph", graph, vec![]),
        Some("s"),
        Some("u"),
        "LangGraph",
    );
    // LangGraph writes the first message of a long conversation as attributes, and all of them as a value.
    let history = json!({"messages": [{"type": "human", "data": {"content": "before"}}, {"type": "ai", "data": {"content": "raw"}}, {"role": "user", "content": Q}]});
    let later = json!({"openinference.span.kind": "CHAIN", "input.value": encoded(history), "output.value": A,
        "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "before"});
    is_turn(&read("openinference.instrumentation.langchain", "LangGraph", later, vec![]), None, None, "LangGraph");
    let agent =
        json!({"openinference.span.kind": "AGENT", "input.value": encoded(json!({"task": Q})), "output.value": A});
    is_turn(
        &read("openinference.instrumentation.smolagents", "weather_bot.run", agent, vec![]),
        None,
        None,
        "weather_bot",
    );
    // smolagents, CrewAI: an agent with plain texts or a task.
    let agent = json!({"openinference.span.kind": "AGENT", "agent.name": "bot", "input.value": encoded(json!({"task": Q, "stream": false})), "output.value": A});
    is_turn(&read("openinference.instrumentation.smolagents", "CodeAgent.run", agent, vec![]), None, None, "bot");
    let tool =
        json!({"openinference.span.kind": "TOOL", "tool.name": "weather", "input.value": "{}", "output.value": "7"});
    is_tool(&read("openinference.instrumentation.langchain", "weather", tool, vec![]), "weather", "{}", "7");
    let retriever = json!({"openinference.span.kind": "RETRIEVER", "input.value": Q, "output.value": A});
    assert_eq!(
        placement(&read("openinference.instrumentation.langchain", "Retriever", retriever, vec![])).kind,
        SpanKind::Span
    );
}

#[test]
fn google_adk_1() {
    let object = json!({"gcp.vertex.agent.session_id": "s", "gen_ai.conversation.id": "run", "gen_ai.operation.name": "generate_content",
        "gcp.vertex.agent.llm_request": encoded(json!({"model": "m", "contents": [{"role": "user", "parts": [{"text": Q}]}]})),
        "gcp.vertex.agent.llm_response": encoded(json!({"content": {"role": "model", "parts": [{"text": A}]}}))});
    is_turn(&read("gcp.vertex.agent", "call_llm", object, vec![]), Some("s"), None, "call_llm");
    let tool = json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "gcp.vertex.agent.tool_call_args": "{}",
        "gcp.vertex.agent.tool_response": "7", "gcp.vertex.agent.llm_request": "{}"});
    is_tool(&read("gcp.vertex.agent", "execute_tool weather", tool, vec![]), "weather", "{}", "7");
}

#[test]
fn genai_of_parts() {
    let messages = |role, said| encoded(json!([parts(role, said)]));
    let object = json!({"gen_ai.operation.name": "chat", "gen_ai.conversation.id": "s", "enduser.id": "u", "gen_ai.agent.name": "bot",
        "gen_ai.system_instructions": encoded(json!([{"type": "text", "content": "Be brief"}])),
        "gen_ai.input.messages": messages("user", Q), "gen_ai.output.messages": messages("assistant", A)});
    is_turn(
        &read("opentelemetry.instrumentation.openai_v2", "chat m", object.clone(), vec![]),
        Some("s"),
        Some("u"),
        "bot",
    );
    // The same in an event; and as a value that has lists of its own.
    let details =
        json!({"gen_ai.input.messages": [parts("user", Q)], "gen_ai.output.messages": [parts("assistant", A)]});
    let events = vec![event("gen_ai.client.inference.operation.details", details)];
    is_turn(&read("x", "chat m", json!({"gen_ai.operation.name": "chat"}), events), None, None, "chat m");
    let tool = json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "gen_ai.tool.call.arguments": {"city": "Oslo"}, "gen_ai.tool.call.result": "7"});
    is_tool(&read("x", "execute_tool weather", tool, vec![]), "weather", r#"{"city":"Oslo"}"#, "7");
}

#[test]
fn langsmith() {
    let object = json!({"langsmith.span.kind": "chain", "langsmith.metadata.session_id": "s", "langsmith.metadata.user_id": "u",
        "langsmith.trace.session_id": "project", "langsmith.trace.session_name": "project",
        "gen_ai.prompt": encoded(json!({"messages": [{"type": "human", "content": Q}]})),
        "gen_ai.completion": encoded(json!({"messages": [{"type": "human", "content": Q}, {"type": "ai", "content": A}]}))});
    is_turn(&read("langsmith", "LangGraph", object, vec![]), Some("s"), Some("u"), "LangGraph");
    let model = json!({"langsmith.span.kind": "llm", "langsmith.metadata.thread_id": "s",
        "gen_ai.prompt": encoded(json!({"messages": [[{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"], "kwargs": {"content": Q}}]]})),
        "gen_ai.completion": encoded(json!({"generations": [[{"text": A, "message": {"lc": 1}}]]}))});
    is_turn(&read("langsmith", "ChatOpenAI", model, vec![]), Some("s"), None, "ChatOpenAI");
    let tool = json!({"langsmith.span.kind": "tool", "gen_ai.prompt": "{\"input\":\"Oslo\"}", "gen_ai.completion": "{\"output\":\"7\"}"});
    assert_eq!(placement(&read("langsmith", "weather", tool, vec![])).kind, SpanKind::Tool);
}

#[test]
fn litellm_1() {
    let object = json!({"gen_ai.operation.name": "chat", "metadata.session_id": "s", "metadata.user_api_key_end_user_id": "u",
        "metadata.user_api_key_user_id": "owner", "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": Q,
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": A});
    is_turn(&read("litellm", "litellm_request", object, vec![]), Some("s"), Some("u"), "litellm_request");
}

#[test]
fn openllmetry() {
    let object = json!({"traceloop.association.properties.session_id": "s", "traceloop.association.properties.user_id": "u",
        "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief", "gen_ai.prompt.1.role": "user", "gen_ai.prompt.1.content": Q,
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": A, "llm.request.type": "chat"});
    is_turn(
        &read("opentelemetry.instrumentation.openai.v1", "openai.chat", object, vec![]),
        Some("s"),
        Some("u"),
        "openai.chat",
    );
    let workflow = json!({"traceloop.span.kind": "workflow", "traceloop.entity.name": "answer", "traceloop.association.properties.thread_id": "s",
        "traceloop.entity.input": encoded(json!({"args": [Q], "kwargs": {}})), "traceloop.entity.output": encoded(json!(A))});
    let span = read("traceloop.tracer", "answer.workflow", workflow, vec![]);
    assert_eq!((span.capture.event.content.as_deref(), output(&span).as_str()), (Some(Q), A));
    let tool = json!({"traceloop.span.kind": "tool", "traceloop.entity.name": "weather", "traceloop.entity.input": "{}", "traceloop.entity.output": "7"});
    is_tool(&read("traceloop.tracer", "weather", tool, vec![]), "weather", "{}", "7");
}

#[test]
fn crewai() {
    let object = json!({"crewai.agent.role": "Forecaster", "crewai.task.description": Q, "crewai.task.result": A, "traceloop.span.kind": "task"});
    is_turn(&read("opentelemetry.instrumentation.crewai", "Forecaster.task", object, vec![]), None, None, "Forecaster");
}

#[test]
fn logfire() {
    let object = json!({"logfire.msg": "Chat", "session.id": "[Scrubbed due to 'session']", "user.id": "u",
        "request_data": encoded(json!({"model": "m", "messages": [{"role": "user", "content": Q}]})),
        "response_data": encoded(json!({"message": {"role": "assistant", "content": A}}))});
    is_turn(
        &read("logfire.openai", "Chat Completion with {request_data[model]!r}", object, vec![]),
        None,
        Some("u"),
        "Chat Completion with {request_data[model]!r}",
    );
    let events = json!([{"event.name": "gen_ai.user.message", "content": Q, "role": "user"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": A}}]);
    is_turn(&read("logfire.openai", "chat m", json!({"events": encoded(events)}), vec![]), None, None, "chat m");
}

#[test]
fn smolagents() {
    let object = json!({"smolagents.task": Q, "smolagents.final_answer": A});
    is_turn(&read("app", "CodeAgent.run", object, vec![]), None, None, "CodeAgent.run");
}

#[test]
fn genai_before_parts() {
    let object = json!({"gen_ai.prompt": encoded(json!([{"role": "user", "content": Q}])), "gen_ai.completion": encoded(json!([{"role": "assistant", "content": A}]))});
    is_turn(&read("x", "chat m", object, vec![]), None, None, "chat m");
    let events = vec![
        event("gen_ai.content.prompt", json!({"gen_ai.prompt": encoded(json!([{"role": "user", "content": Q}]))})),
        event(
            "gen_ai.content.completion",
            json!({"gen_ai.completion": encoded(json!([{"role": "assistant", "content": A}]))}),
        ),
    ];
    is_turn(&read("x", "chat m", json!({"gen_ai.system": "openai"}), events), None, None, "chat m");
}

#[test]
fn mcp() {
    let object = json!({"mcp.session.id": "s", "mcp.tool.name": "weather", "mcp.method.name": "tools/call", "input": "{}", "output": "7"});
    let span = read("mcp", "tools/call weather", object, vec![]);
    is_tool(&span, "weather", "{}", "7");
    assert_eq!(placement(&span).session.as_deref(), Some("s"));
}

#[test]
fn braintrust() {
    let object = json!({"braintrust.metadata": "{\"session_id\":\"s\",\"userId\":\"u\"}", "braintrust.input_json": encoded(json!([{"role": "user", "content": Q}])),
        "braintrust.output_json": encoded(json!([{"role": "assistant", "content": A}]))});
    is_turn(&read("braintrust", "Chat Completion", object, vec![]), Some("s"), Some("u"), "Chat Completion");
}
