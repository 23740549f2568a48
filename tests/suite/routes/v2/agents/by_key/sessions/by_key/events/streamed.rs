//! `POST …/events` with `stream_response`, byte for byte.

use serde_json::{Value, json};

use crate::support::agent_key::{events_of, kinds, session};
use crate::support::{TestApp, run};

fn body() -> String {
    json!({ "messages": [{ "type": "text", "content": "hello" }], "stream_response": true }).to_string()
}

/// The frames of a stream: each one `data:` line and an empty one.
fn frames(text: &str) -> Vec<Value> {
    let parts = text.strip_suffix("\n\n").expect("a whole last frame").split("\n\n");
    parts.map(|frame| serde_json::from_str(frame.strip_prefix("data: ").expect("a data line")).expect("JSON")).collect()
}

#[test]
fn a_stream_tells_the_message_the_answer_and_the_end() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let reply = app.post(&events_of("mine", ""), body()).send().await.expect(201);
        assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let frames = frames(&reply.text());
        assert_eq!(frames[0]["type"], "input_message");
        assert_eq!(frames[0]["messages"], json!([{ "type": "text", "content": "hello" }]));
        let (end, told) = frames[1..].split_last().expect("an end");
        assert_eq!(end, &json!({ "type": "end" }));
        let (last, chunks) = told.split_last().expect("an answer");
        let answer: String = chunks.iter().map(|chunk| chunk["content"].as_str().expect("a text")).collect();
        assert_eq!(answer, "You said: hello");
        for chunk in chunks {
            assert_eq!(chunk["type"], "streaming_agent_output");
            assert_eq!(chunk["created_at"], "2026-04-29T09:00:00.000Z");
        }
        assert_eq!((&last["type"], last["created_at"].is_string()), (&json!("streaming_agent_output_end"), true));
        let kept = app.get(&events_of("mine", &format!("/{}", last["event_id"].as_str().expect("an id")))).send().await;
        assert_eq!(kept.expect(200).member("content"), "You said: hello");
        // The next message is accepted at once.
        app.post(&events_of("mine", ""), body()).send().await.expect(201);
    });
}

#[test]
fn a_stream_under_a_key_is_told_again_to_the_byte() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let send = || app.post(&events_of("mine", ""), body()).header("idempotency-key", "k").send();
        let first = send().await.expect(201);
        app.conversations.close().await;
        let second = loop {
            let again = send().await;
            if again.status != 409 {
                break again.expect(201);
            }
        };
        assert_eq!(first.text(), second.text());
        assert_eq!(kinds(&app, "mine", "").await.len(), 2);
    });
}

#[test]
fn what_is_refused_is_refused_before_the_stream() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(&events_of("nothing", ""), body()).send().await.expect(404);
        assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
        session(&app, "mine", &json!({})).await;
        let interrupt = r#"{"type":"interrupt","stream_response":true}"#;
        let reply = app.post(&events_of("mine", ""), interrupt).send().await.expect(201);
        let kinds: Vec<Value> = frames(&reply.text()).iter().map(|frame| frame["type"].clone()).collect();
        assert_eq!(kinds, ["session_interrupted", "end"]);
    });
}
