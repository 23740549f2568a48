//! `GET` and `PUT /api/v1/agents/{agent_id}`.

use chrono::Duration;
use http::Method;
use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::integer_id::{AGENTS, NOBODYS_IDS, SESSIONS, make_agent, start_session};
use crate::support::{AGENT_NUMBER, Reply, TestApp, run};

async fn put(app: &TestApp, id: impl std::fmt::Display, body: &str) -> Reply {
    app.ask(Method::PUT, &format!("{AGENTS}/{id}")).json(body).send().await
}

async fn get(app: &TestApp, id: i64) -> Value {
    app.get(&format!("{AGENTS}/{id}")).send().await.expect(200).json()
}

#[test]
fn an_agent_is_answered_bare_and_with_exactly_its_documented_members() {
    run(async {
        let app = TestApp::new().await;
        start_session(&app, "").await;
        assert_json_snapshot!(get(&app, AGENT_NUMBER).await, @r#"
        {
          "id": 123,
          "user_id": null,
          "name": "Sales Support Agent",
          "avatar_id": 1,
          "voice_id": null,
          "role_id": null,
          "language": "en",
          "custom_greeting": null,
          "context": null,
          "properties": null,
          "memories": null,
          "knowledge_base": null,
          "status": "active",
          "created_at": "2026-04-29T09:00:00Z",
          "updated_at": "2026-04-29T09:00:00Z",
          "last_used_at": "2026-04-29T09:00:00Z",
          "total_sessions": 1,
          "avg_duration": 0
        }
        "#);
    });
}

#[test]
fn each_member_can_be_changed_alone() {
    run(async {
        let app = TestApp::new().await;
        let id = make_agent(&app, "before").await;
        let mut expected = get(&app, id).await;
        for (member, value) in [
            ("name", json!("after")),
            ("avatar_id", json!(1)),
            ("language", json!("de")),
            ("custom_greeting", json!("Grüß Gott")),
            ("context", json!("kind")),
            ("properties", json!({"z": 1, "a": 2})),
            ("memories", json!([1, 2])),
            ("knowledge_base", json!("kb")),
            ("status", json!("archived")),
            ("context", json!(null)),
            ("avatar_id", json!(null)),
        ] {
            app.clock.advance(Duration::seconds(1));
            assert_eq!(
                put(&app, id, &json!({member: value}).to_string()).await.expect(200).text(),
                r#"{"success":true}"#
            );
            expected[member] = value;
            let found = get(&app, id).await;
            expected["updated_at"] = found["updated_at"].clone();
            assert_eq!(found, expected);
        }
    });
}

#[test]
fn an_archived_agent_takes_no_new_sessions_until_it_is_active_again() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        put(&app, AGENT_NUMBER, r#"{"status":"archived"}"#).await.expect(200);
        let refused = app.post(SESSIONS, r#"{"agent_id":123}"#).send().await.expect(404);
        assert_eq!(refused.text(), r#"{"success":false,"error":"Agent not found or access denied"}"#);
        app.get(&format!("{SESSIONS}/{id}")).send().await.expect(200);
        put(&app, AGENT_NUMBER, r#"{"status":"active"}"#).await.expect(200);
        start_session(&app, "").await;
    });
}

#[test]
fn a_change_that_is_not_as_documented_changes_nothing() {
    run(async {
        let app = TestApp::new().await;
        let before = get(&app, AGENT_NUMBER).await;
        for (body, said) in [
            ("{}", "No fields to update"),
            (r#"{"unknown":1}"#, "No fields to update"),
            (r#"{"name":null}"#, "name must be a string of 1 to 200 characters"),
            (r#"{"avatar_id":77}"#, "Avatar not found"),
            (r#"{"avatar_id":9007199254740993}"#, "Avatar not found"),
            (r#"{"status":"deleted"}"#, "status must be active or archived"),
        ] {
            let refused = put(&app, AGENT_NUMBER, body).await.expect(400);
            assert_eq!(refused.json(), json!({"error": said}), "{body}");
        }
        put(&app, AGENT_NUMBER, "[]").await.expect(400);
        assert_eq!(get(&app, AGENT_NUMBER).await, before);
    });
}

#[test]
fn nobodys_agents_and_somebody_elses_are_not_found() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for _ in 0..9 {
            make_agent(&other, "one more").await;
        }
        let theirs = make_agent(&other, "theirs").await.to_string();
        for id in NOBODYS_IDS.into_iter().chain([theirs.as_str()]) {
            let reply = app.get(&format!("{AGENTS}/{id}")).send().await.expect(404);
            assert_eq!(reply.text(), r#"{"success":false,"error":"Agent not found"}"#, "{id}");
            let reply = put(&app, id, r#"{"context":"x"}"#).await.expect(404);
            assert_eq!(reply.text(), r#"{"error":"Agent not found"}"#, "{id}");
        }
    });
}
