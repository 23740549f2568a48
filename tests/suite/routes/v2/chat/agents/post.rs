//! `POST /v2/chat/agents`, and the quickstart's `POST /v1/chat/agents`.

use insta::assert_json_snapshot;
use serde_json::json;

use crate::support::agntix::{AGENTS, SESSIONS, code, say};
use crate::support::{TestApp, run};

const WHOLE: &str = r#"{
    "fullName": "Sales Support Agent", "description": "Answers questions about plans.", "role": "Support",
    "language": "de", "systemPrompt": "You are kind.", "specialInstructions": "Be brief.",
    "modelId": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731", "tools": [{"toolId": "t1", "toolDescription": "Looks up"}],
    "voiceEnabled": true, "voicePipelineMode": "hybrid", "knowledgeStoreId": "k1"
}"#;

#[test]
fn the_longer_body_makes_an_agent() {
    run(async {
        let app = TestApp::new().await;
        let made = app.post(AGENTS, WHOLE).send().await.expect(201).json();
        assert_json_snapshot!(made, { ".id" => "[id]", ".orgId" => "[org]" }, @r#"
        {
          "id": "[id]",
          "fullName": "Sales Support Agent",
          "description": "Answers questions about plans.",
          "role": "Support",
          "language": "de",
          "systemPrompt": "You are kind.",
          "voiceEnabled": true,
          "isActive": true,
          "isPublic": false,
          "orgId": "[org]",
          "modelId": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
          "createdAt": "2026-04-29T09:00:00Z",
          "updatedAt": "2026-04-29T09:00:00Z",
          "specialInstructions": "Be brief.",
          "voicePipelineMode": "hybrid",
          "model": {
            "id": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
            "name": "a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731",
            "provider": null
          },
          "agentTools": [
            {
              "tool": {
                "toolId": "t1",
                "toolDescription": "Looks up"
              }
            }
          ],
          "agentKnowledgeStore": {
            "id": "k1"
          }
        }
        "#);
        let mut again = app.post("/v1/chat/agents", WHOLE).send().await.expect(201).json();
        assert_ne!(again["id"], made["id"]);
        again["id"] = made["id"].clone();
        assert_eq!(again, made);
    });
}

#[test]
fn the_quickstarts_body_makes_an_agent_that_answers() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"name":"Support","modelId":"gpt-4o-mini","systemPrompt":"You are a helpful support agent."}"#;
        for path in ["/v1/chat/agents", AGENTS] {
            let agent = app.post(path, body).send().await.expect(201).member("id");
            let session =
                app.post(SESSIONS, json!({"agentId": agent}).to_string()).send().await.expect(201).member("id");
            assert_eq!(say(&app, &session, "hi").await.expect(200).json()["content"], "You said: hi");
        }
    });
}

#[test]
fn what_is_not_as_documented_is_refused() {
    run(async {
        let app = TestApp::new().await;
        for (body, said) in [
            ("{}", "fullName should not be empty"),
            (r#"{"fullName":""}"#, "fullName should not be empty"),
            (r#"{"fullName":"x"}"#, "description should not be empty"),
            (r#"{"fullName":"x","description":"x"}"#, "role should not be empty"),
            (r#"{"fullName":5}"#, "fullName must be a string"),
            (r#"{"name":"x","voiceEnabled":"yes"}"#, "voiceEnabled must be a boolean value"),
            (r#"{"name":"x","tools":[{}]}"#, "each value in tools must have a toolId"),
            (
                r#"{"name":"x","voicePipelineMode":"fast"}"#,
                "voicePipelineMode must be one of the following values: pipeline, sts, hybrid",
            ),
        ] {
            let refused = app.post(AGENTS, body).send().await.expect(400);
            assert_eq!(code(&refused), "VALIDATION_ERROR", "{body}");
            assert_eq!(refused.json()["error"]["message"], said, "{body}");
        }
        let long = json!({"name": "x".repeat(201)}).to_string();
        app.post(AGENTS, long).send().await.expect(400);
        app.post(AGENTS, WHOLE).anonymous().send().await.expect(401);
        let lacking = app.key_with("agents:read").await;
        app.post(AGENTS, WHOLE).anonymous().header("x-api-key", lacking).send().await.expect(403);
    });
}
