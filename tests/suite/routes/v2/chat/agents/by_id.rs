//! `GET`, `PATCH` and `DELETE /v2/chat/agents/{agentId}`.

use chrono::Duration;
use http::Method;
use serde_json::{Value, json};

use crate::support::agntix::{AGENTS, NOBODYS_IDS, SESSIONS, code, create, path_of};
use crate::support::{AGENT_ID, TestApp, run};

fn path(id: &str) -> String {
    format!("{AGENTS}/{id}")
}

async fn patch(app: &TestApp, id: &str, body: &str) -> Value {
    app.ask(Method::PATCH, &path(id)).json(body).send().await.expect(200).json()
}

#[test]
fn what_is_given_is_changed_and_tools_are_replaced() {
    run(async {
        let app = TestApp::new().await;
        let made = app.post(AGENTS, r#"{"name":"x","tools":[{"toolId":"a"},{"toolId":"b"}]}"#).send().await.expect(201);
        let (id, mut expected) = (made.member("id"), made.json());
        app.clock.advance(Duration::seconds(5));
        let changed =
            patch(&app, &id, r#"{"fullName":"y","tools":[{"toolId":"c"}],"isPublic":true,"role":"Guide"}"#).await;
        (expected["fullName"], expected["role"], expected["isPublic"]) = (json!("y"), json!("Guide"), json!(true));
        (expected["agentTools"], expected["updatedAt"]) =
            (json!([{"tool": {"toolId": "c"}}]), json!("2026-04-29T09:00:05Z"));
        assert_eq!(changed, expected);
        assert_eq!(app.get(&path(&id)).send().await.expect(200).json(), expected);
        assert_eq!(app.get(&format!("/v1/chat/agents/{id}")).send().await.expect(200).json(), expected);
        let refused = app.ask(Method::PATCH, &path(&id)).json(r#"{"fullName":""}"#).send().await.expect(400);
        assert_eq!(code(&refused), "VALIDATION_ERROR");
    });
}

#[test]
fn a_paused_agent_takes_no_new_sessions() {
    run(async {
        let app = TestApp::new().await;
        patch(&app, AGENT_ID, r#"{"isActive":false}"#).await;
        let body = json!({"agentId": AGENT_ID}).to_string();
        assert_eq!(code(&app.post(SESSIONS, body).send().await.expect(400)), "SESSION_CREATION_ERROR");
        patch(&app, AGENT_ID, r#"{"isActive":true}"#).await;
        create(&app, "").await;
    });
}

#[test]
fn what_other_dialects_keep_about_an_agent_stays() {
    run(async {
        let app = TestApp::new().await;
        let body = r#"{"name":"Shared","context":"kind"}"#;
        let number = app.post("/api/v1/agents", body).send().await.expect(201).json()["agent"]["agent_id"].clone();
        let listed = app.get(&format!("{AGENTS}?search=Shared")).send().await.expect(200).json();
        let id = listed["data"][0]["id"].as_str().expect("an id").to_owned();
        patch(&app, &id, r#"{"role":"Guide"}"#).await;
        let found = app.get(&format!("/api/v1/agents/{number}")).send().await.expect(200).json();
        assert_eq!((&found["name"], &found["context"]), (&json!("Shared"), &json!("kind")));
    });
}

#[test]
fn a_deleted_agent_is_gone_and_its_sessions_stay() {
    run(async {
        let app = TestApp::new().await;
        let session = create(&app, "").await;
        let gone = app.ask(Method::DELETE, &path(AGENT_ID)).send().await.expect(204);
        assert!(gone.bytes.is_empty());
        app.ask(Method::DELETE, &path(AGENT_ID)).send().await.expect(404);
        app.get(&path(AGENT_ID)).send().await.expect(404);
        app.get(&path_of(&session, "")).send().await.expect(200);
        let listed = app.get(&format!("{SESSIONS}?agentId={AGENT_ID}")).send().await.expect(200).json();
        assert_eq!(listed["pagination"]["total"], 1);
    });
}

#[test]
fn nobodys_agents_and_somebody_elses_are_not_found() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let theirs = other.post(AGENTS, r#"{"name":"theirs"}"#).send().await.expect(201).member("id");
        for id in NOBODYS_IDS.into_iter().chain([theirs.as_str()]) {
            for (method, body) in [(Method::GET, ""), (Method::PATCH, r#"{"role":"x"}"#), (Method::DELETE, "")] {
                let ask = app.ask(method.clone(), &path(id));
                let refused = if body.is_empty() { ask } else { ask.json(body) }.send().await.expect(404);
                assert_eq!(refused.json()["error"]["message"], "Agent not found.", "{method} {id}");
                assert_eq!(code(&refused), "NOT_FOUND");
            }
        }
        other.get(&path(&theirs)).send().await.expect(200);
    });
}
