//! `GET` and `PATCH /v2/agents/{agent_key}/identity`.

use http::Method;
use serde_json::json;

use crate::support::agent_key::{asks_for, is_error};
use crate::support::{AGENT_ID, TestApp, run};

const PATH: &str = "/v2/agents/customer_support/identity";

#[test]
fn an_identity_is_told_and_changed() {
    run(async {
        let app = TestApp::new().await;
        let mut identity =
            json!({ "mode": "auto", "client_id": AGENT_ID, "api_roles": [], "corpus_roles": [], "agent_roles": [] });
        assert_eq!(app.get(PATH).send().await.expect(200).json(), identity);
        let patch = |body: &str| app.ask(Method::PATCH, PATH).json(body).send();
        identity["mode"] = json!("manual");
        identity["api_roles"] = json!(["administrator"]);
        let changed = patch(r#"{"mode":"manual","api_roles":["administrator"]}"#).await.expect(200);
        assert_eq!(changed.json(), identity);
        let bad = patch(r#"{"mode":"other"}"#).await;
        is_error(&bad, 400, Some("invalid_request"), "mode: must be auto or manual");
        patch(r#"{"api_roles":"x"}"#).await.expect(400);
        assert_eq!(app.get(PATH).send().await.expect(200).json(), identity);
        for method in [Method::GET, Method::PATCH] {
            let reply = app.ask(method, "/v2/agents/nobody/identity").json("{}").send().await;
            is_error(&reply, 404, Some("agent_not_found"), "Agent with key 'nobody' does not exist.");
        }
        asks_for(&app, "agents:read", || app.get(PATH)).await;
        asks_for(&app, "agents:write", || app.ask(Method::PATCH, PATH).json("{}")).await;
    });
}
