//! `POST /v2/agents/{agent_key}/sessions/{session_key}/events`, with a complete response.

use std::time::Duration;

use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::agent_key::{SESSIONS, agent, asks_for, events_of, is_error, kinds, say, session, text_of};
use crate::support::fake_responder::{FakeResponder, Step};
use crate::support::{TestApp, run};

async fn post(app: &TestApp, body: Value) -> Value {
    app.post(&events_of("mine", ""), body.to_string()).send().await.expect(201).json()
}

#[test]
fn a_message_is_answered() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let body =
            post(&app, json!({ "type": "input_message", "messages": [{ "type": "text", "content": "hello" }] })).await;
        assert_json_snapshot!(body, { ".events[].id" => "[id]", ".events[].created_at" => "[time]" }, @r#"
        {
          "events": [
            {
              "id": "[id]",
              "session_key": "mine",
              "created_at": "[time]",
              "type": "input_message",
              "messages": [
                {
                  "type": "text",
                  "content": "hello"
                }
              ]
            },
            {
              "id": "[id]",
              "session_key": "mine",
              "created_at": "[time]",
              "type": "agent_output",
              "content": "You said: hello"
            }
          ],
          "session_key": "mine"
        }
        "#);
        assert!(text_of(&body["events"][0], "id").starts_with("aev_"));
        assert_eq!(body["events"][0]["created_at"], "2026-04-29T09:00:00.000Z");
        let found = app.get(&format!("{SESSIONS}/mine")).send().await.expect(200);
        assert_eq!(found.member("status"), "stopped");
    });
}

#[test]
fn every_form_of_a_message_is_taken() {
    run(async {
        let app = TestApp::new().await;
        let skills = json!({ "skills": { "greet": { "description": "d", "content": "Say hello." } } });
        agent(&app, "skilled", &skills).await;
        app.post("/v2/agents/skilled/sessions", r#"{"key":"mine","name":"x"}"#).send().await.expect(201);
        let path = "/v2/agents/skilled/sessions/mine/events";
        for (body, said) in [
            (json!({ "messages": [{ "content": "no type" }] }), "no type"),
            (
                json!({ "type": null, "messages": [{ "type": "text", "content": "a" }, { "type": "text", "content": "b" }] }),
                "a\nb",
            ),
            (json!({ "messages": [{ "type": "skill", "skill_name": "greet" }], "behavior": "steer" }), "Say hello."),
            (
                json!({ "messages": [{ "type": "text", "content": "客 😀 \"\\" }], "stream_response": false }),
                "客 😀 \"\\",
            ),
        ] {
            let reply = app.post(path, body.to_string()).send().await.expect(201).json();
            assert_eq!(reply["events"][1]["content"], format!("You said: {said}"), "{body}");
            assert_eq!(reply["events"][0]["messages"], body["messages"]);
        }
        let unknown = app.post(path, r#"{"messages":[{"type":"skill","skill_name":"x"}]}"#).send().await;
        is_error(&unknown, 400, Some("invalid_request"), "messages: names a skill that the agent does not have");
    });
}

/// A multipart body of these fields.
fn form(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!("--frontier\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n"));
    }
    body + "--frontier--\r\n"
}

#[test]
fn a_message_may_come_as_a_form() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let send = |body: String| {
            let ask = app.post(&events_of("mine", ""), "").without("content-type").body(body);
            ask.header("content-type", "multipart/form-data; boundary=frontier").send()
        };
        let messages = r#"[{"type":"text","content":"hi"}]"#;
        let reply =
            send(form(&[("name=\"messages\"", messages), ("name=\"stream_response\"", "false")])).await.expect(201);
        assert_eq!(reply.json()["events"][1]["content"], "You said: hi");
        let reply = send(form(&[("name=\"message\"", "older")])).await.expect(201).json();
        assert_eq!(reply["events"][0]["messages"], json!([{ "type": "text", "content": "older" }]));
        for yes in ["true", "True", "on", "yes", "1"] {
            let streamed =
                send(form(&[("name=\"message\"", yes), ("name=\"stream_response\"", yes)])).await.expect(201);
            assert_eq!(streamed.header("content-type"), Some("text/event-stream; charset=utf-8"), "{yes}");
            assert!(streamed.text().ends_with("data: {\"type\":\"end\"}\n\n"));
        }
        for no in ["False", "off", "no", "0", ""] {
            let whole = send(form(&[("name=\"message\"", no), ("name=\"stream_response\"", no)])).await;
            assert_ne!(whole.header("content-type"), Some("text/event-stream; charset=utf-8"), "{no}");
        }
        let before = kinds(&app, "mine", "").await.len();
        for bad in [
            form(&[("name=\"files\"; filename=\"a.txt\"", "x"), ("name=\"message\"", "x")]),
            form(&[("name=\"messages\"", "{not json")]),
            form(&[("name=\"messages\"", "17")]),
            form(&[("name=\"message\"", "a\0b")]),
            form(&[("name=\"stream_response\"", "maybe"), ("name=\"message\"", "x")]),
            form(&[]),
            "no form at all".to_owned(),
            String::new(),
        ] {
            send(bad).await.expect(400).json();
        }
        assert_eq!(kinds(&app, "mine", "").await.len(), before);
    });
}

#[test]
fn bad_bodies_are_named_and_append_nothing() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        for (body, message) in [
            (json!({}), "messages: is required"),
            (json!({ "messages": [] }), "messages: must be an array of 1 to 100 objects"),
            (json!({ "messages": "x" }), "messages: must be an array of 1 to 100 objects"),
            (json!({ "messages": ["x"] }), "messages: must be an array of 1 to 100 objects"),
            (
                json!({ "messages": vec![json!({ "content": "x" }); 101] }),
                "messages: must be an array of 1 to 100 objects",
            ),
            (json!({ "messages": [{ "type": "text" }] }), "messages: a text must have a content that is not empty"),
            (json!({ "messages": [{ "type": "skill" }] }), "messages: a skill must have a skill_name"),
            (json!({ "messages": [{ "type": "image" }] }), "messages: must be of the type text or skill"),
            (
                json!({ "messages": [{ "content": "x".repeat(200_001) }] }),
                "messages: must not exceed 200000 characters",
            ),
            (json!({ "type": "shout" }), "type: must be input_message, interrupt, compact or tool_output"),
            (json!({ "type": 17 }), "type: must be a string"),
            (
                json!({ "messages": [{ "content": "x" }], "stream_response": "true" }),
                "stream_response: must be a boolean",
            ),
            (
                json!({ "type": "compact", "compact_up_to_event_id": "x" }),
                "compact_up_to_event_id: must be an event's id",
            ),
            (json!({ "type": "tool_output" }), "tool_outputs: must be an array of 1 to 100 objects"),
            (json!({ "type": "tool_output", "tool_outputs": [{}] }), "tool_outputs: each must have a tool_call_id"),
        ] {
            let reply = app.post(&events_of("mine", ""), body.to_string()).send().await;
            is_error(&reply, 400, Some("invalid_request"), message);
        }
        assert_eq!(kinds(&app, "mine", "&include_hidden=1").await, [""; 0]);
        assert_eq!(app.get(&format!("{SESSIONS}/mine")).send().await.member("status"), "unstarted");
    });
}

#[test]
fn what_was_said_in_a_session_goes_along_and_nothing_of_others() {
    run(async {
        let app = TestApp::new().await;
        let model = FakeResponder::start([crate::support::fake_responder::json(
            r#"{"choices":[{"message":{"content":"ok"}}]}"#,
        )])
        .await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        for key in ["mine", "other"] {
            session(&app, key, &json!({})).await;
        }
        say(&app, "other", "a secret").send().await.expect(201);
        say(&app, "mine", "first").send().await.expect(201);
        model.received();
        say(&app, "mine", "second").send().await.expect(201);
        let asked = model.received().remove(0).json();
        let texts: Vec<&str> =
            asked["messages"].as_array().expect("messages").iter().filter_map(|m| m["content"].as_str()).collect();
        assert_eq!(texts, ["first", "ok", "second"]);
    });
}

#[test]
fn a_session_answers_one_message_at_a_time() {
    run(async {
        let app = TestApp::new().await;
        let model = FakeResponder::start([vec![Step::Hang]]).await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        session(&app, "mine", &json!({})).await;
        let body = json!({ "messages": [{ "content": "x" }], "stream_response": true }).to_string();
        let stream = app.post(&events_of("mine", ""), body.clone()).open().await;
        assert_eq!(stream.status(), 201);
        assert_eq!(app.get(&format!("{SESSIONS}/mine")).send().await.member("status"), "running");
        app.post(&events_of("mine", ""), body.replace("\"x\"", "\"z\"")).send().await.expect(409);
        let busy = say(&app, "mine", "y").send().await;
        is_error(&busy, 409, None, "Session 'mine' is still replying to its last message.");
        assert_eq!(busy.header("retry-after"), Some("1"));
        // The output of a tool has to wait as well.
        let output = r#"{"type":"tool_output","tool_outputs":[{"tool_call_id":"c1","tool_output":{}}]}"#;
        app.post(&events_of("mine", ""), output).send().await.expect(409);
        let interrupted = post(&app, json!({ "type": "interrupt" })).await;
        assert_eq!(interrupted["events"][0]["type"], "session_interrupted");
        assert_eq!(app.get(&format!("{SESSIONS}/mine")).send().await.member("status"), "stopped");
        app.answered_by("echo").await;
        assert_eq!(kinds(&app, "mine", "").await, ["input_message", "session_interrupted"]);
    });
}

#[test]
fn a_message_without_an_answer_is_stored_once_and_the_next_one_is_taken() {
    run(async {
        let app = TestApp::impatient(Duration::from_millis(200)).await;
        let model = FakeResponder::start([vec![Step::Hang]]).await;
        app.answered_by(&format!(r#"{{"kind":"openai","base_url":"{}/v1","model":"m"}}"#, model.url)).await;
        session(&app, "mine", &json!({})).await;
        for _ in 0..2 {
            is_error(&say(&app, "mine", "x").send().await, 502, None, "The agent did not reply.");
        }
        assert_eq!(kinds(&app, "mine", "").await, ["input_message"]);
        is_error(&say(&app, "mine", "y").send().await, 502, None, "The agent did not reply.");
        assert_eq!(kinds(&app, "mine", "").await, ["input_message", "input_message"]);
    });
}

#[test]
fn where_nothing_answers_the_message_alone_is_kept() {
    run(async {
        let app = TestApp::new().await;
        app.nobody_answers().await;
        session(&app, "mine", &json!({})).await;
        for _ in 0..2 {
            let body = say(&app, "mine", "x").send().await.expect(201).json();
            assert_eq!(body["events"].as_array().map(Vec::len), Some(1));
        }
    });
}

#[test]
fn tool_outputs_are_kept() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let output = json!({ "tool_call_id": "c1", "tool_name": "search", "tool_output": { "hits": [1] } });
        let body = post(&app, json!({ "type": "tool_output", "tool_outputs": [output] })).await;
        let event = &body["events"][0];
        assert_eq!(
            (&event["type"], &event["tool_call_id"], &event["error"]),
            (&json!("tool_output"), &json!("c1"), &json!(false))
        );
        assert_eq!(
            (&event["tool_configuration_name"], &event["tool_output"]),
            (&json!("search"), &json!({ "hits": [1] }))
        );
    });
}

#[test]
fn a_message_that_is_sent_again_under_its_key_is_said_once() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let send = || say(&app, "mine", "once").header("idempotency-key", "k").send();
        let (first, second) = (send().await.expect(201), send().await.expect(201));
        assert_eq!(first.text(), second.text());
        assert_eq!(kinds(&app, "mine", "").await.len(), 2);
    });
}

#[test]
fn a_disabled_agent_answers_nothing() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        app.ask(Method::PATCH, "/v2/agents/customer_support").json(r#"{"enabled":false}"#).send().await.expect(200);
        let said = "Agent 'customer_support' is disabled and takes no new sessions.";
        is_error(&say(&app, "mine", "x").send().await, 403, Some("forbidden"), said);
        is_error(&app.post(SESSIONS, r#"{"name":"x"}"#).send().await, 403, Some("forbidden"), said);
        app.get(&format!("{SESSIONS}/mine")).send().await.expect(200);
    });
}

#[test]
fn sessions_that_are_not_there_take_nothing() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        session(&other, "theirs", &json!({})).await;
        for key in ["theirs", "nothing", "Theirs"] {
            let said = format!("Session with key '{key}' does not exist.");
            is_error(&say(&app, key, "x").send().await, 404, None, &said);
        }
        assert_eq!(kinds(&other, "theirs", "").await, [""; 0]);
        session(&app, "mine", &json!({})).await;
        asks_for(&app, "events:write", || say(&app, "mine", "x")).await;
    });
}
