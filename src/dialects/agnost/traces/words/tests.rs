//! Reads the messages of all formats.

use proptest::prelude::*;
use serde_json::json;

use super::super::super::reading::unescaped;
use super::*;

fn input(text: &str) -> Option<String> {
    read(&Value::from(text), Side::Input).map(|words| words.text)
}

fn output(text: &str) -> Option<String> {
    read(&Value::from(text), Side::Output).map(|words| words.text)
}

#[test]
fn every_format_of_an_input_is_read_as_the_last_user_message() {
    let user =
        |content: Value| json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]);
    for (shape, value) in [
        ("a text", json!("hi")),
        ("messages", user(json!("hi"))),
        ("parts", user(json!([{"type": "text", "text": "hi"}]))),
        ("an image beside a text", user(json!([{"type": "text", "text": "hi"}, {"type": "image", "image": "data:…"}]))),
        ("semantic conventions", json!([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])),
        ("a request", json!({"model": "m", "messages": user(json!("hi")), "temperature": 0})),
        ("AI SDK", json!({"prompt": "hi"})),
        (
            "AI SDK, messages",
            json!({"system": "Be brief.", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
        ),
        ("AI SDK, prompt of messages", json!({"prompt": [{"role": "user", "content": "hi"}]})),
        (
            "OpenAI Responses",
            json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]),
        ),
        ("Responses request", json!({"model": "m", "input": "hi", "instructions": "Be brief."})),
        (
            "Gemini",
            json!({"model": "m", "config": {"system_instruction": "x"}, "contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
        ),
        ("Bedrock", json!([{"role": "user", "content": [{"text": "hi"}]}])),
        ("LangGraph tuples", json!({"messages": [["system", "x"], ["user", "hi"]]})),
        ("LangChain batch", json!({"messages": [[{"type": "human", "content": "hi"}]]})),
        (
            "LangChain constructor",
            json!({"messages": [[{"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"],
                "kwargs": {"content": "hi", "type": "human"}}]]}),
        ),
        (
            "LangGraph state",
            json!({"messages": [{"content": "hi", "additional_kwargs": {}, "type": "human"}], "step": 3}),
        ),
        ("arguments of a function", json!({"args": ["hi"], "kwargs": {}})),
        ("keywords of a function", json!({"args": [], "kwargs": {"question": "hi"}})),
        ("smolagents", json!({"task": "hi", "stream": false, "reset": true})),
        (
            "Semantic Kernel",
            json!([{"role": {"label": "user"}, "items": [{"contentType": "TextContent", "text": "hi"}]}]),
        ),
        (
            "Pydantic AI messages",
            json!([{"kind": "request", "parts": [{"part_kind": "system-prompt", "content": "x"}, {"part_kind": "user-prompt", "content": "hi"}]}]),
        ),
        (
            "events in an attribute",
            json!([{"event.name": "gen_ai.system.message", "content": "x", "role": "system"}, {"event.name": "gen_ai.user.message", "content": "hi", "role": "user"}]),
        ),
        (
            "an agent's loop",
            json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}, {"role": "tool", "content": "7"}]),
        ),
        (
            "results that the user passes on",
            json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "tool_use", "name": "x"}]},
                {"role": "user", "content": [{"type": "tool_result", "content": "7"}]}]),
        ),
        (
            "Bedrock results",
            json!([{"role": "user", "content": [{"text": "hi"}]}, {"role": "user", "content": [{"toolResult": {"content": [{"text": "7"}]}}]}]),
        ),
        (
            "an earlier turn",
            json!([{"role": "user", "content": "before"}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "hi"}]),
        ),
        ("content that is JSON", json!([{"role": "user", "content": "[{\"text\": \"hi\"}]"}])),
        ("wrapped messages", json!([{"message": {"role": "user", "content": "hi"}}])),
        ("a prompt alone", json!([{"role": "system", "content": "hi"}])),
    ] {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(input(&text).as_deref(), Some("hi"), "{shape}");
        assert_eq!(read(&value, Side::Input).map(|words| words.text).as_deref(), Some("hi"), "{shape}, as a value");
        // Encoded once more, as frameworks do for attributes that cannot contain objects.
        assert_eq!(input(&Value::from(text).to_string()).as_deref(), Some("hi"), "{shape}, as a text of JSON");
    }
}

#[test]
fn every_format_of_an_output_is_read_as_the_text_of_the_reply() {
    for (shape, value) in [
        ("a text", json!("yo")),
        (
            "a completion",
            json!({"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "yo"}}], "usage": {}}),
        ),
        (
            "several choices",
            json!({"choices": [{"message": {"role": "assistant", "content": "yo"}}, {"message": {"role": "assistant", "content": "no"}}]}),
        ),
        ("an older completion", json!({"choices": [{"text": "yo"}]})),
        (
            "semantic conventions",
            json!([{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "yo"}], "finish_reason": "stop"}]),
        ),
        (
            "OpenAI Responses",
            json!({"object": "response", "output": [{"type": "reasoning", "summary": []}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yo"}]}]}),
        ),
        (
            "Anthropic",
            json!({"type": "message", "role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yo"}]}),
        ),
        (
            "Gemini",
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "yo"}]}}]}),
        ),
        ("Google ADK", json!({"content": {"parts": [{"text": "yo"}], "role": "model"}, "partial": false})),
        (
            "LangChain",
            json!({"generations": [[{"text": "yo", "type": "ChatGeneration", "message": {"lc": 1}}]], "llm_output": {}}),
        ),
        ("LangGraph state", json!({"messages": [{"type": "human", "content": "hi"}, {"type": "ai", "content": "yo"}]})),
        (
            "outputs",
            json!({"outputs": {"messages": [{"type": "human", "content": "hi"}, {"type": "ai", "content": "yo"}]}}),
        ),
        ("an agent", json!({"text": "yo", "files": [], "steps": [{"text": "x"}]})),
        ("CrewAI", json!({"raw": "yo", "tasks_output": []})),
        ("Logfire", json!({"message": {"role": "assistant", "content": "yo"}, "usage": {"total_tokens": 7}})),
        (
            "events in an attribute",
            json!([{"event.name": "gen_ai.user.message", "content": "hi"}, {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "yo"}}]),
        ),
        (
            "Pydantic AI messages",
            json!([{"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "hi"}]}, {"kind": "response", "parts": [{"part_kind": "text", "content": "yo"}]}]),
        ),
        ("an answer", json!({"answer": "yo", "sources": ["a", "b"]})),
    ] {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(output(&text).as_deref(), Some("yo"), "{shape}");
    }
}

#[test]
fn other_texts_are_returned_unchanged() {
    for text in
        [r#"{"a":1}"#, r#"["a","b"]"#, r#"{"topic":"AI","year":2026}"#, "[]", "{}", "[…]", "{broken", "5", "true"]
    {
        assert_eq!(input(text).as_deref(), Some(text), "{text}");
    }
    let calls = r#"[{"role":"assistant","parts":[{"type":"tool_call","name":"weather","arguments":{"city":"Oslo"}}]}]"#;
    let words = read(&Value::from(calls), Side::Output).unwrap();
    assert_eq!((words.text.as_str(), words.is_speech), (calls, false));
    for nothing in [json!(null), json!(""), json!("  "), json!("\"\"")] {
        assert_eq!(read(&nothing, Side::Input), None, "{nothing}");
    }
    assert_eq!(
        input(r#"[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]"#).as_deref(),
        Some("[image_url]")
    );
}

#[test]
fn escaped_characters_are_unescaped() {
    for (text, reads) in [
        (r#"{"q":"\u4f60\u597d"}"#, r#"{"q":"你好"}"#),
        (r#"{"city":"\ud83c\udf26 Oslo","q":1}"#, r#"{"city":"🌦 Oslo","q":1}"#),
        (r#"["a\\u4f60","\n\u0001\u0022","\ud83c"]"#, r#"["a\\u4f60","\n\u0001\u0022","\ud83c"]"#),
        (r#"{"é":"\u00e9","x":"\u"}"#, r#"{"é":"é","x":"\u"}"#),
    ] {
        assert_eq!(unescaped(text), reads);
    }
    assert_eq!(input(r#""\u4f60\u597d""#).as_deref(), Some("你好"));
    assert_eq!(input(r#"[{"role":"user","content":"\u4f60"}]"#).as_deref(), Some("你"));
    assert_eq!(input(r#"{"city":"\u4f60","days":[1,2]}"#).as_deref(), Some(r#"{"city":"你","days":[1,2]}"#));
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in r#"[\[\]{}",:a0 \\u\-]{0,60}|.{0,40}"#) {
        let _ = (input(&text), output(&text), unescaped(&text));
    }

    #[test]
    fn a_message_is_read_unchanged(text in "[a-zé你][^\u{0}]{0,40}") {
        let messages = json!([{"role": "user", "content": text}]).to_string();
        prop_assert_eq!(input(&messages), Some(text.clone()));
        prop_assert_eq!(input(&text), Some(text));
    }
}
