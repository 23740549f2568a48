//! `DELETE /api/v1/agents/{agent_id}`.

use http::Method;
use serde_json::json;

use crate::support::integer_id::{AGENTS, NOBODYS_IDS, SESSIONS, make_agent, session, start_session};
use crate::support::{AGENT_NUMBER, Reply, TestApp, run};

async fn delete(app: &TestApp, id: impl std::fmt::Display) -> Reply {
    app.ask(Method::DELETE, &format!("{AGENTS}/{id}")).send().await
}

#[test]
fn a_deleted_agent_is_gone_and_its_sessions_stay() {
    run(async {
        let app = TestApp::new().await;
        let id = start_session(&app, "").await;
        let before = session(&app, id).await;
        let deleted = delete(&app, AGENT_NUMBER).await.expect(200);
        assert_eq!(deleted.text(), r#"{"success":true,"message":"Agent deleted successfully"}"#);

        app.get(&format!("{AGENTS}/{AGENT_NUMBER}")).send().await.expect(404);
        let listed = app.get(AGENTS).send().await.expect(200).json();
        assert!(listed["agents"].as_array().expect("an array").iter().all(|agent| agent["agent_id"] != AGENT_NUMBER));
        let refused = app.post(SESSIONS, json!({"agent_id": AGENT_NUMBER}).to_string()).send().await.expect(404);
        assert_eq!(refused.text(), r#"{"success":false,"error":"Agent not found or access denied"}"#);
        let refused = app.get(&format!("{AGENTS}/{AGENT_NUMBER}/sessions")).send().await.expect(404);
        assert_eq!(refused.text(), r#"{"success":false,"error":"Agent not found or access denied"}"#);
        assert_eq!(session(&app, id).await, before);
        assert_eq!(app.get(SESSIONS).send().await.expect(200).json()["sessions"][0]["session_id"], id);
    });
}

#[test]
fn an_agent_is_deleted_once_and_only_by_its_organization() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        for _ in 0..9 {
            make_agent(&other, "one more").await;
        }
        let theirs = make_agent(&other, "theirs").await.to_string();
        let ours = make_agent(&app, "ours").await;
        delete(&app, ours).await.expect(200);
        let ours = ours.to_string();
        for id in NOBODYS_IDS.into_iter().chain([theirs.as_str(), ours.as_str()]) {
            let missing = delete(&app, id).await.expect(404);
            assert_eq!(missing.text(), r#"{"success":false,"error":"Agent not found"}"#, "{id}");
        }
        let lacking = app.key_with("agents:read").await;
        let ask = || app.ask(Method::DELETE, &format!("{AGENTS}/{AGENT_NUMBER}")).anonymous();
        ask().header("x-api-key", lacking).send().await.expect(403);
        ask().send().await.expect(401);
        app.get(&format!("{AGENTS}/{AGENT_NUMBER}")).send().await.expect(200);
    });
}
