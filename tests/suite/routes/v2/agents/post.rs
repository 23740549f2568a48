//! `POST /v2/agents`.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::agent_key::{AGENTS, agent, asks_for, is_error};
use crate::support::{TestApp, run};

#[test]
fn a_name_alone_makes_an_agent_that_the_sdk_can_read() {
    run(async {
        let app = TestApp::new().await;
        let reply = app.post(AGENTS, r#"{"name":"Weather Assistant (broken endpoint)"}"#).send().await.expect(201);
        let key = reply.member("key");
        assert_eq!(key.rsplit_once('_').expect("digits").0, "agt_weather_assistant_broken_endpoint");
        assert_json_snapshot!(reply.json(), { ".key" => "[key]" }, @r#"
        {
          "key": "[key]",
          "name": "Weather Assistant (broken endpoint)",
          "tool_configurations": {},
          "model": {
            "name": "echo"
          },
          "first_step": {
            "name": "first_step",
            "instructions": [],
            "output_parser": {
              "type": "default"
            }
          },
          "first_step_name": "first_step",
          "steps": {
            "first_step": {
              "instructions": [],
              "output_parser": {
                "type": "default"
              }
            }
          },
          "metadata": {},
          "enabled": true,
          "created_at": "2026-04-29T09:00:00.000Z",
          "updated_at": "2026-04-29T09:00:00.000Z"
        }
        "#);
    });
}

#[test]
fn what_is_sent_comes_back_known_or_not() {
    run(async {
        let app = TestApp::new().await;
        let sent = json!({
            "key": "k".repeat(50), "name": "n".repeat(50), "description": "d", "enabled": false,
            "tool_configurations": { "search": { "type": "corpora_search", "x": 12345678901234567890u64 } },
            "skills": { "greet": { "description": "d", "content": "Say hello." } },
            "model": { "name": "m", "parameters": { "t": 0.5 } },
            "first_step_name": "main",
            "steps": { "main": { "instructions": [{ "type": "inline", "name": "i", "template": "t" }] }, "other": {} },
            "metadata": { "z": 1, "a": [null] },
            "compaction": { "threshold_percent": 95, "keep_recent_inputs": 2, "extra": true },
            "tool_output_offloading": { "enabled": true },
            "unheard_of": [{ "kept": true }],
        });
        let body = app.post(AGENTS, sent.to_string()).send().await.expect(201).json();
        let members = ["key", "name", "description", "enabled", "tool_configurations", "skills", "model"];
        let others = ["metadata", "compaction", "tool_output_offloading", "unheard_of", "first_step_name"];
        for member in members.into_iter().chain(others) {
            assert_eq!(body[member], sent[member], "{member}");
        }
        let main =
            json!({ "instructions": sent["steps"]["main"]["instructions"], "output_parser": { "type": "default" } });
        assert_eq!(body["steps"]["main"], main);
        assert_eq!(body["first_step"]["name"], "main");
        assert_eq!(body["first_step"]["instructions"], main["instructions"]);
    });
}

#[test]
fn a_first_step_of_the_older_kind_is_completed() {
    run(async {
        let app = TestApp::new().await;
        let step = json!({ "first_step": { "type": "conversational", "output_parser": { "type": "default" } } });
        let body = agent(&app, "older", &step).await.json();
        let first = json!({ "name": "first_step", "type": "conversational", "output_parser": { "type": "default" }, "instructions": [] });
        assert_eq!(body["first_step"], first);
        assert_eq!(
            body["steps"].as_object().map(|steps| steps.keys().collect::<Vec<_>>()),
            Some(vec![&"first_step".to_owned()])
        );
    });
}

#[test]
fn bad_members_are_named_and_make_nothing() {
    run(async {
        let app = TestApp::new().await;
        let before = app.tenant().await.agents().count(Default::default(), 100).await.expect("a count");
        let long = "n".repeat(51);
        for (members, field, message) in [
            (json!({}), "name", "is required"),
            (json!({ "name": null }), "name", "is required"),
            (json!({ "name": "" }), "name", "must be a string of 1 to 50 characters"),
            (json!({ "name": long }), "name", "must be a string of 1 to 50 characters"),
            (
                json!({ "name": "x", "key": "k".repeat(51) }),
                "key",
                "must be 1 to 50 characters of 0-9, a-z, A-Z, _ and -",
            ),
            (json!({ "name": "x", "enabled": "yes" }), "enabled", "must be a boolean"),
            (json!({ "name": "x", "tool_configurations": [] }), "tool_configurations", "must be an object"),
            (json!({ "name": "x", "skills": { "a": 1 } }), "skills", "must be a map of objects"),
            (json!({ "name": "x", "model": {} }), "model", "must be an object with a name of 1 to 200 characters"),
            (json!({ "name": "x", "model": "m" }), "model", "must be an object with a name of 1 to 200 characters"),
            (json!({ "name": "x", "first_step": "x" }), "first_step", "must be an object"),
            (json!({ "name": "x", "steps": { "a": [] } }), "steps", "must be a map of objects"),
            (
                json!({ "name": "x", "compaction": { "threshold_percent": 96 } }),
                "compaction",
                "threshold_percent must be an integer from 50 to 95",
            ),
        ] {
            let reply = app.post(AGENTS, members.to_string()).send().await;
            is_error(&reply, 400, Some("invalid_request"), &format!("{field}: {message}"));
            assert_eq!(reply.json()["field_errors"], json!({ field: message }));
        }
        let metadata = app.post(AGENTS, r#"{"name":"x","metadata":[]}"#).send().await;
        is_error(&metadata, 400, Some("invalid_metadata"), "metadata: must be an object");
        let twice = app.post(AGENTS, r#"{"name":"x","name":"y"}"#).send().await;
        is_error(&twice, 400, Some("invalid_request"), "The body names a member twice.");
        let after = app.tenant().await.agents().count(Default::default(), 100).await.expect("a count");
        assert_eq!(before, after);
    });
}

#[test]
fn of_creates_of_one_key_at_once_one_is_201() {
    run(async {
        let app = TestApp::new().await;
        let create = || app.post(AGENTS, r#"{"key":"one","name":"One"}"#).send();
        let replies = futures::future::join_all((0..8).map(|_| create())).await;
        let made = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(made, 1);
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            is_error(reply, 409, None, "An agent with key 'one' already exists.");
        }
    });
}

#[test]
fn a_create_that_is_sent_again_under_its_key_is_answered_as_the_first_time() {
    run(async {
        let app = TestApp::new().await;
        let create = || app.post(AGENTS, r#"{"name":"Again"}"#).header("idempotency-key", "once").send();
        let (first, second) = (create().await.expect(201), create().await.expect(201));
        assert_eq!(first.text(), second.text());
        assert_eq!(second.header("idempotency-replayed"), Some("true"));
    });
}

#[test]
fn an_agent_is_at_hand_in_every_dialect() {
    run(async {
        let app = TestApp::new().await;
        agent(&app, "shared", &json!({})).await;
        let made = app.post("/v2/agents/shared/sessions", r#"{"name":"x"}"#).send().await.expect(201);
        assert_eq!(made.member("agent_key"), "shared");
        let tenant = app.tenant().await;
        let name = sessionary::domain::AgentRef::Key("shared".parse().expect("a key"));
        let agent = tenant.agents().find(&name).await.expect("a look").expect("the agent");
        let body = json!({ "agentId": agent.id.to_string() }).to_string();
        app.post("/v1/chat/chat/sessions", body).send().await.expect(201);
        let body: Value = json!({ "agentId": agent.id.to_string(), "userId": agent.id.to_string() });
        app.post("/api/messaging/sessions", body.to_string()).send().await.expect(201);
    });
}

#[test]
fn making_an_agent_asks_for_the_scope() {
    run(async {
        let app = TestApp::new().await;
        asks_for(&app, "agents:write", || app.post(AGENTS, r#"{"name":"x"}"#)).await;
    });
}
