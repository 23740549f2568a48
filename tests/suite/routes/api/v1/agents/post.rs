//! `POST /api/v1/agents`.

use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::integer_id::{AGENTS, SESSIONS};
use crate::support::{TestApp, run};

#[test]
fn an_agent_is_made_as_the_page_shows() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{
            "name": "Customer Service Bot", "avatar_id": 1, "language": "en",
            "custom_greeting": "Hello! How can I help you today?",
            "context": "You are a helpful customer service representative.", "properties": {}
        }"#;
        let created = app.post(AGENTS, body).send().await.expect(201).json();
        assert_json_snapshot!(created, { ".agent.agent_id" => "[id]" }, @r#"
        {
          "success": true,
          "agent": {
            "agent_id": "[id]",
            "name": "Customer Service Bot",
            "avatar_id": 1,
            "language": "en",
            "custom_greeting": "Hello! How can I help you today?",
            "context": "You are a helpful customer service representative.",
            "status": "active",
            "created_at": "2026-04-29T09:00:00Z"
          },
          "message": "Agent created successfully"
        }
        "#);
        let body = json!({"agent_id": created["agent"]["agent_id"]}).to_string();
        let started = app.post(SESSIONS, body).send().await.expect(201).json();
        assert_eq!(started["session"]["agent_name"], "Customer Service Bot");
        assert_eq!(started["session"]["voice_id"], "21m00Tcm4TlvDq8ikWAM");
    });
}

#[test]
fn a_name_is_all_it_takes() {
    run(async {
        let app = TestApp::new().await;
        let agent = app.post(AGENTS, r#"{"name":"客"}"#).send().await.expect(201).json()["agent"].clone();
        assert_eq!((&agent["language"], &agent["avatar_id"]), (&json!("en"), &json!(null)));
        assert_eq!((&agent["custom_greeting"], &agent["context"]), (&json!(null), &json!(null)));
    });
}

#[test]
fn what_is_not_as_documented_is_refused() {
    run(async {
        let app = TestApp::new().await;
        let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(201));
        for (body, said) in [
            ("{}", "name required"),
            (r#"{"name":""}"#, "name must be a string of 1 to 200 characters"),
            (r#"{"name":5}"#, "name must be a string of 1 to 200 characters"),
            (&long, "name must be a string of 1 to 200 characters"),
            (r#"{"name":"x","avatar_id":"1"}"#, "avatar_id must be an integer"),
            (r#"{"name":"x","avatar_id":1e-3}"#, "avatar_id must be an integer"),
            (r#"{"name":"x","avatar_id":77}"#, "Avatar not found"),
            (r#"{"name":"x","avatar_id":-1}"#, "Avatar not found"),
            (r#"{"name":"x","language":""}"#, "language must be a language code such as en"),
            (r#"{"name":"x","context":{}}"#, "context must be a string of at most 65536 characters"),
            (r#"{"name":"x","status":"gone"}"#, "status must be active or archived"),
        ] {
            let refused = app.post(AGENTS, body).send().await.expect(400);
            assert_eq!(refused.json(), json!({"success": false, "error": said}), "{body}");
        }
        let agents = app.get(AGENTS).send().await.expect(200).json()["agents"].as_array().expect("an array").len();
        assert_eq!(agents, 2);
    });
}

#[test]
fn an_agent_that_is_made_again_under_its_key_is_one() {
    run(async {
        let app = TestApp::new().await;
        let make = || app.post(AGENTS, r#"{"name":"once"}"#).header("idempotency-key", "k").send();
        let first = make().await.expect(201);
        assert_eq!(make().await.expect(201).text(), first.text());
    });
}

#[test]
fn making_needs_the_scope() {
    run(async {
        let app = TestApp::new().await;
        let lacking = app.key_with("agents:read,sessions:write").await;
        app.post(AGENTS, r#"{"name":"x"}"#).anonymous().header("x-api-key", lacking).send().await.expect(403);
        app.post(AGENTS, r#"{"name":"x"}"#).anonymous().send().await.expect(401);
    });
}
