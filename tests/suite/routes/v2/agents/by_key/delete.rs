//! `DELETE /v2/agents/{agent_key}`.

use http::Method;
use serde_json::json;

use crate::support::agent_key::{agent, asks_for, is_error};
use crate::support::{TestApp, run};

#[test]
fn a_deleted_agent_is_gone_its_key_is_free_and_its_history_stays() {
    run(async {
        let app = TestApp::new().await;
        agent(&app, "mine", &json!({})).await;
        app.post("/v2/agents/mine/sessions", r#"{"key":"s","name":"x"}"#).send().await.expect(201);
        let delete = || app.ask(Method::DELETE, "/v2/agents/mine").send();
        let gone = delete().await.expect(204);
        assert_eq!(gone.text(), "");
        let said = "Agent with key 'mine' does not exist.";
        for path in ["/v2/agents/mine", "/v2/agents/mine/sessions", "/v2/agents/mine/sessions/s"] {
            is_error(&app.get(path).send().await, 404, Some("agent_not_found"), said);
        }
        is_error(&delete().await, 404, Some("agent_not_found"), said);
        agent(&app, "mine", &json!({})).await;
        app.get("/v2/agents/mine/sessions/s").send().await.expect(404);
        assert_eq!(app.sessions().await, 1);
        app.post("/v2/agents/mine/sessions", r#"{"key":"s","name":"x"}"#).send().await.expect(201);
        assert_eq!(app.sessions().await, 2);
    });
}

#[test]
fn sessions_made_while_their_agent_is_deleted_are_made_or_refused() {
    run(async {
        let app = TestApp::new().await;
        agent(&app, "mine", &json!({})).await;
        let creates = (0..24).map(|_| app.post("/v2/agents/mine/sessions", r#"{"name":"x"}"#).send());
        let delete = app.ask(Method::DELETE, "/v2/agents/mine").send();
        let (replies, deleted) = tokio::join!(futures::future::join_all(creates), delete);
        deleted.expect(204);
        let made = replies.iter().filter(|reply| reply.status == 201).count();
        for reply in replies.iter().filter(|reply| reply.status != 201) {
            is_error(reply, 404, Some("agent_not_found"), "Agent with key 'mine' does not exist.");
        }
        assert_eq!(app.sessions().await, made);
    });
}

#[test]
fn deleting_an_agent_asks_for_the_scope() {
    run(async {
        let app = TestApp::new().await;
        asks_for(&app, "agents:write", || app.ask(Method::DELETE, "/v2/agents/customer_support")).await;
        app.get("/v2/agents/customer_support").send().await.expect(200);
    });
}
