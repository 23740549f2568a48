//! `PUT /v2/agents/{agent_key}`.

use http::Method;
use serde_json::json;

use crate::support::agent_key::{agent, asks_for, is_error};
use crate::support::{TestApp, run};

#[test]
fn what_is_left_out_is_forgotten() {
    run(async {
        let app = TestApp::new().await;
        let members = json!({ "description": "d", "enabled": false, "metadata": { "a": 1 }, "unheard_of": 1 });
        agent(&app, "mine", &members).await;
        let put = |body: &str| app.ask(Method::PUT, "/v2/agents/mine").json(body);
        let body = put(r#"{"key":"mine","name":"New","model":{"name":"m"}}"#).send().await.expect(200).json();
        assert_eq!(
            (&body["name"], &body["model"], &body["enabled"]),
            (&json!("New"), &json!({ "name": "m" }), &json!(true))
        );
        assert_eq!((body.get("description"), body.get("unheard_of"), &body["metadata"]), (None, None, &json!({})));
        is_error(&put("{}").send().await, 400, Some("invalid_request"), "name: is required");
        let other = put(r#"{"key":"other","name":"x"}"#).send().await;
        is_error(&other, 400, Some("invalid_request"), "key: cannot be changed");
        assert_eq!(app.get("/v2/agents/mine").send().await.json(), body);
    });
}

#[test]
fn replacing_an_agent_asks_for_the_scope() {
    run(async {
        let app = TestApp::new().await;
        asks_for(&app, "agents:write", || app.ask(Method::PUT, "/v2/agents/customer_support").json(r#"{"name":"x"}"#))
            .await;
    });
}
