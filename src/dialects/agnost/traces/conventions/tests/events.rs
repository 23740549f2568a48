//! Frameworks that put messages into span events.

use super::*;

#[test]
fn strands_agents() {
    let events = vec![
        event("gen_ai.system.message", json!({"content": encoded(json!([{"text": "Be brief"}]))})),
        event("gen_ai.user.message", json!({"content": encoded(json!([{"text": Q}]))})),
        event("gen_ai.choice", json!({"message": A, "finish_reason": "end_turn"})),
    ];
    let object =
        json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bot", "session.id": "s", "user.id": "u"});
    is_turn(&read("strands.telemetry.tracer", "invoke_agent bot", object.clone(), events), Some("s"), Some("u"), "bot");
    // The newer mode.
    let detail = |of: &str, message: Value| {
        event("gen_ai.client.inference.operation.details", json!({of: encoded(json!([message]))}))
    };
    let events = vec![
        detail("gen_ai.system_instructions", json!({"type": "text", "content": "Be brief"})),
        detail("gen_ai.input.messages", parts("user", Q)),
        detail("gen_ai.output.messages", parts("assistant", A)),
    ];
    is_turn(&read("strands.telemetry.tracer", "invoke_agent bot", object, events), Some("s"), Some("u"), "bot");
    let events = vec![
        event("gen_ai.tool.message", json!({"role": "tool", "content": "{}", "id": "1"})),
        event("gen_ai.choice", json!({"message": "7", "id": "1"})),
    ];
    let tool = json!({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"});
    is_tool(&read("strands.telemetry.tracer", "execute_tool weather", tool, events), "weather", "{}", "7");
}

#[test]
fn semantic_kernel() {
    let events = vec![
        event("gen_ai.content.prompt", json!({"gen_ai.prompt": encoded(json!([{"role": "user", "content": Q}]))})),
        event(
            "gen_ai.content.completion",
            json!({"gen_ai.completion": encoded(json!([{"role": "Assistant", "content": A, "tool_calls": []}]))}),
        ),
    ];
    let object = json!({"gen_ai.operation.name": "chat.completions", "gen_ai.thread.id": "s", "enduser.id": "u"});
    is_turn(
        &read("Microsoft.SemanticKernel.Diagnostics", "chat.completions m", object, events),
        Some("s"),
        Some("u"),
        "chat.completions m",
    );
    // Azure AI: the content is JSON itself.
    let events = vec![
        event("gen_ai.user.message", json!({"gen_ai.event.content": encoded(json!({"content": Q}))})),
        event(
            "gen_ai.choice",
            json!({"gen_ai.event.content": encoded(json!({"message": {"content": A}, "finish_reason": "stop"}))}),
        ),
    ];
    is_turn(&read("azure.ai.inference", "chat m", json!({}), events), None, None, "chat m");
}
