//! Finds the role of a span in all conventions.

use serde_json::Value;

use super::Spoken;
use crate::domain::trace::Role;

/// Attributes that name the role of a span.
const KINDS: [&str; 9] = [
    "openinference.span.kind",
    "traceloop.span.kind",
    "gen_ai.operation.name",
    "langfuse.observation.type",
    "langsmith.span.kind",
    "mastra.span.type",
    "ai.operationId",
    "logfire.span_kind",
    "braintrust.span_attributes.type",
];

/// Returns the role of a span.
pub fn role(span: &Spoken<'_>) -> Role {
    /// OpenTelemetry's numbers of span kinds: a request to a server, a message from a queue.
    const SERVER: i32 = 2;
    const CONSUMER: i32 = 5;
    let named: Vec<Role> = KINDS
        .iter()
        .filter_map(|name| span.attributes.get(*name).and_then(Value::as_str))
        .filter_map(|kind| role_of(&kind.to_ascii_lowercase()))
        .collect();
    let by_name =
        span.name.starts_with("tool.") || span.name.starts_with("execute_tool") || span.name == "running tool";
    if by_name || named.contains(&Role::Tool) {
        return Role::Tool;
    }
    let is_model = named.contains(&Role::Model);
    if !is_model && span.tool().is_some() {
        return Role::Tool;
    }
    if let Some(role) = named.first() {
        return *role;
    }
    if matches!(span.kind, SERVER | CONSUMER) {
        return Role::Request;
    }
    let begins = |beginning: &&str| span.name.starts_with(*beginning);
    if ["invoke_agent", "agent run", "agent_run", "agent.generate", "agent.stream"].iter().any(begins) {
        Role::Agent
    } else if ["http.route", "http.request.method", "http.method", "http.target"]
        .iter()
        .any(|name| span.attributes.contains_key(*name))
        && span.kind != 3
    {
        // A server's span of an SDK that does not send the kind.
        Role::Request
    } else {
        Role::Other
    }
}

fn role_of(kind: &str) -> Option<Role> {
    match kind {
        "tool" | "execute_tool" | "tool_call" | "mcp_tool_call" | "ai.toolcall" | "function" | "client_tool_call" => {
            Some(Role::Tool)
        }
        "agent" | "invoke_agent" | "agent_run" | "workflow" | "invoke_workflow" => Some(Role::Agent),
        "llm" | "chat" | "generation" | "text_completion" | "generate_content" | "model_generation"
        | "chat_completion" => Some(Role::Model),
        "retriever"
        | "retrieval"
        | "reranker"
        | "embedding"
        | "embeddings"
        | "guardrail"
        | "evaluator"
        | "event"
        | "parser"
        | "prompt"
        | "model_step"
        | "model_chunk"
        | "create_agent"
        | "score"
        | "execute_event_loop_cycle"
        | "processor_run"
        | "scorer_run"
        | "memory_operation" => Some(Role::Quiet),
        kind if kind.starts_with("ai.embed") || kind.starts_with("workflow_") => Some(Role::Quiet),
        kind if kind.starts_with("ai.") && (kind.ends_with(".dogenerate") || kind.ends_with(".dostream")) => {
            Some(Role::Model)
        }
        _ => None,
    }
}
