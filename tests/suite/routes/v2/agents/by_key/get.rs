//! `GET /v2/agents/{agent_key}`.

use serde_json::json;

use crate::support::agent_key::{AGENTS, agent, asks_for, is_error};
use crate::support::{AGENT_ID, TestApp, run};

#[test]
fn an_agent_reads_as_it_was_made() {
    run(async {
        let app = TestApp::new().await;
        let made = agent(&app, "mine", &json!({ "metadata": { "z": 1.10, "a": 12345678901234567890u64 } })).await;
        let found = app.get("/v2/agents/mine").send().await.expect(200);
        assert_eq!(found.text(), made.text());
    });
}

#[test]
fn what_is_not_there_is_404_with_the_same_body() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        agent(&other, "theirs", &json!({})).await;
        let long = "k".repeat(51);
        for (segment, key) in [
            ("theirs", "theirs"),
            ("nobody", "nobody"),
            (AGENT_ID, AGENT_ID),
            ("123", "123"),
            ("%00", "\0"),
            ("%E5%AE%A2", "客"),
            (&long, &long),
        ] {
            for method in ["GET", "PATCH", "PUT", "DELETE"] {
                let method = method.parse().expect("a method");
                let reply = app.ask(method, &format!("{AGENTS}/{segment}")).json(r#"{"name":"x"}"#).send().await;
                let said = format!("Agent with key '{key}' does not exist.");
                is_error(&reply, 404, Some("agent_not_found"), &said);
                assert_eq!(reply.json()["id"], key);
            }
        }
        other.get("/v2/agents/theirs").send().await.expect(200);
    });
}

#[test]
fn reading_an_agent_asks_for_the_scope() {
    run(async {
        let app = TestApp::new().await;
        asks_for(&app, "agents:read", || app.get("/v2/agents/customer_support")).await;
    });
}
