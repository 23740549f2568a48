//! `PATCH /v2/agents/{agent_key}`.

use http::Method;
use serde_json::{Value, json};

use crate::support::agent_key::{agent, asks_for, is_error};
use crate::support::{TestApp, admin, run};

async fn patch(app: &TestApp, body: Value) -> Value {
    let ask = app.ask(Method::PATCH, "/v2/agents/mine").json(body.to_string());
    ask.send().await.expect(200).json()
}

#[test]
fn what_is_left_out_stays_null_clears_and_maps_are_merged() {
    run(async {
        let app = TestApp::new().await;
        let made = agent(
            &app,
            "mine",
            &json!({
                "description": "d", "metadata": { "a": 1, "b": 2 }, "unheard_of": 1,
                "tool_configurations": { "x": { "type": "a", "deep": 1 }, "y": { "type": "b" } },
                "steps": { "main": { "instructions": [], "reentry_step": "main" } }, "first_step_name": "main",
            }),
        )
        .await
        .json();
        app.clock.advance(chrono::TimeDelta::seconds(1));
        let same = patch(&app, json!({})).await;
        assert_eq!(same["updated_at"], "2026-04-29T09:00:01.000Z");
        for member in ["name", "description", "metadata", "tool_configurations", "steps", "first_step", "unheard_of"] {
            assert_eq!(same[member], made[member], "{member}");
        }
        let merged = patch(
            &app,
            json!({
                "name": "New", "metadata": { "a": null, "c": { "d": null } },
                "tool_configurations": { "x": { "type": "c" }, "y": null },
                "steps": { "main": { "reentry_step": null, "allowed_tools": [] } },
            }),
        )
        .await;
        assert_eq!(merged["name"], "New");
        assert_eq!(merged["metadata"], json!({ "b": 2, "c": { "d": null } }));
        assert_eq!(merged["tool_configurations"], json!({ "x": { "type": "c" } }));
        assert_eq!(
            merged["steps"]["main"],
            json!({ "instructions": [], "allowed_tools": [], "output_parser": { "type": "default" } })
        );
        let cleared = patch(
            &app,
            json!({ "description": null, "metadata": null, "steps": null, "model": null, "unheard_of": null, "enabled": false }),
        )
        .await;
        assert_eq!(cleared.get("description"), None);
        assert_eq!(cleared.get("unheard_of"), None);
        assert_eq!((&cleared["metadata"], &cleared["enabled"]), (&json!({}), &json!(false)));
        assert_eq!(patch(&app, json!({ "enabled": null })).await["enabled"], true);
        let found = app.get("/v2/agents/mine").send().await.expect(200).json();
        assert_eq!(found["name"], "New");
    });
}

#[test]
fn an_agent_of_another_dialect_keeps_what_that_dialect_knows() {
    run(async {
        let app = TestApp::new().await;
        use sessionary::domain::{AgentId, JsonText, NewAgent};
        let own = r#"{"messaging":{"SESSION_TIMEOUT_MINUTES":"20"}}"#;
        let id = AgentId(app.mint.uuid());
        let new = NewAgent {
            settings: JsonText::stored(own.to_owned()).expect("JSON"),
            ..NewAgent::named(id, "mine".parse().expect("a key"), "n".repeat(200), crate::support::start())
        };
        admin().await.create_agent(app.org, &new).await.expect("an agent");
        assert_eq!(patch(&app, json!({ "metadata": { "a": 1 } })).await["name"], "n".repeat(200));
        let name = sessionary::domain::AgentRef::Id(id);
        let agent = app.tenant().await.agents().find(&name).await.expect("a look").expect("the agent");
        let settings: Value = serde_json::from_str(agent.settings.as_str()).expect("JSON");
        assert_eq!(settings["messaging"]["SESSION_TIMEOUT_MINUTES"], "20");
    });
}

#[test]
fn a_refused_patch_changes_nothing() {
    run(async {
        let app = TestApp::new().await;
        let made = agent(&app, "mine", &json!({})).await;
        for (body, message) in [
            (json!({ "name": null }), "name: must be a string of 1 to 50 characters"),
            (json!({ "description": 17 }), "description: must be a string of at most 10000 characters"),
            (json!({ "key": "other" }), "key: cannot be changed"),
            (
                json!({ "name": "x", "model": { "name": "" } }),
                "model: must be an object with a name of 1 to 200 characters",
            ),
            (json!({ "steps": { "a": 1 } }), "steps: must be a map of objects"),
        ] {
            let reply = app.ask(Method::PATCH, "/v2/agents/mine").json(body.to_string()).send().await;
            is_error(&reply, 400, Some("invalid_request"), message);
        }
        for body in ["", "[]", "{", "null"] {
            app.ask(Method::PATCH, "/v2/agents/mine").json(body).send().await.expect(400);
        }
        assert_eq!(app.get("/v2/agents/mine").send().await.text(), made.text());
        let large = json!({ "unheard_of": "x".repeat(600_000) });
        let reply = app.ask(Method::PATCH, "/v2/agents/mine").json(large.to_string()).send().await;
        is_error(&reply, 400, Some("invalid_request"), "The agent's configuration must not exceed 524288 bytes.");
    });
}

#[test]
fn patches_at_once_are_all_kept() {
    run(async {
        let app = TestApp::new().await;
        agent(&app, "mine", &json!({})).await;
        futures::future::join_all((0..8).map(|n| patch(&app, json!({ "metadata": { n.to_string(): n } })))).await;
        let found = app.get("/v2/agents/mine").send().await.expect(200).json();
        assert_eq!(found["metadata"].as_object().map(serde_json::Map::len), Some(8));
    });
}

#[test]
fn changing_an_agent_asks_for_the_scope() {
    run(async {
        let app = TestApp::new().await;
        asks_for(&app, "agents:write", || app.ask(Method::PATCH, "/v2/agents/customer_support").json("{}")).await;
    });
}
