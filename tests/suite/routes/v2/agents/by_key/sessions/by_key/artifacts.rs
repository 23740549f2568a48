//! `GET /v2/agents/{agent_key}/sessions/{session_key}/artifacts`, and what else an agent without tools has none of.

use serde_json::json;

use crate::support::agent_key::{SESSIONS, session};
use crate::support::{TestApp, run};

#[test]
fn a_session_has_neither_artifacts_nor_calls_that_wait() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let artifacts = app.get(&format!("{SESSIONS}/mine/artifacts?limit=5")).send().await.expect(200);
        assert_eq!(artifacts.text(), r#"{"artifacts":[],"metadata":{}}"#);
        let calls = app.get(&format!("{SESSIONS}/mine/outstanding_client_tool_calls")).send().await.expect(200);
        assert_eq!(calls.text(), r#"{"pending_calls":[]}"#);
        app.get(&format!("{SESSIONS}/mine/artifacts?limit=0")).send().await.expect(400);
        let missing = app.get(&format!("{SESSIONS}/mine/artifacts/art_ring_agate_bearskin")).send().await.expect(404);
        assert!(missing.json()["messages"][0].as_str().expect("a text").contains("art_ring_agate_bearskin"));
        for below in ["artifacts", "artifacts/art_x", "outstanding_client_tool_calls"] {
            app.get(&format!("{SESSIONS}/theirs/{below}")).send().await.expect(404);
            app.get(&format!("/v2/agents/nobody/sessions/mine/{below}")).send().await.expect(404);
            app.get(&format!("{SESSIONS}/mine/{below}")).anonymous().send().await.expect(401);
        }
    });
}

#[test]
fn secrets_are_read_back_as_asterisks_and_never_kept() {
    run(async {
        let app = TestApp::new().await;
        let made = session(&app, "mine", &json!({ "secrets": { "API_KEY": "hunter2-hunter2", "b-1": "x" } })).await;
        assert_eq!(made.json()["secrets"], json!({ "API_KEY": "****", "b-1": "****" }));
        let found = app.get(&format!("{SESSIONS}/mine")).send().await.expect(200);
        assert_eq!(found.json()["secrets"], made.json()["secrets"]);
        assert!(!app.session_called("mine").await.detail.contains("hunter2"));
        for wrong in [
            json!([]),
            json!("x"),
            json!({ "a b": "x" }),
            json!({ "a": "" }),
            json!({ "a": 1 }),
            json!({ "a": "x".repeat(4_097) }),
        ] {
            let body = json!({ "name": "x", "secrets": wrong }).to_string();
            let refused = app.post(SESSIONS, body).send().await.expect(400).json();
            assert!(refused["field_errors"]["secrets"].is_string(), "{refused}");
        }
    });
}
