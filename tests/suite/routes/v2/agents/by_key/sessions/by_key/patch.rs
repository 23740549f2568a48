//! `PATCH /v2/agents/{agent_key}/sessions/{session_key}`.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use crate::support::agent_key::{SESSIONS, asks_for, is_error, say, session};
use crate::support::{TestApp, run};

async fn patch(app: &TestApp, body: Value) -> Value {
    let ask = app.ask(Method::PATCH, &format!("{SESSIONS}/mine")).json(body.to_string());
    ask.send().await.expect(200).json()
}

#[test]
fn what_is_left_out_stays_and_null_never_breaks() {
    run(async {
        let app = TestApp::new().await;
        let made = session(&app, "mine", &json!({ "description": "d", "metadata": { "a": 1 } })).await.json();
        assert_eq!(patch(&app, json!({})).await, made);
        let changed = patch(&app, json!({ "name": "Größe 😀", "metadata": { "b": 2 }, "tti_minutes": 5 })).await;
        assert_eq!((&changed["name"], &changed["metadata"]), (&json!("Größe 😀"), &json!({ "b": 2 })));
        assert_eq!((&changed["description"], &changed["tti_minutes"]), (&json!("d"), &json!(5)));
        patch(&app, json!({ "enabled": false })).await;
        let cleared = patch(
            &app,
            json!({ "name": null, "description": null, "metadata": null, "enabled": null, "tti_minutes": null }),
        )
        .await;
        assert_eq!((&cleared["name"], &cleared["metadata"]), (&json!("Größe 😀"), &json!({})));
        assert_eq!((cleared.get("description"), cleared.get("tti_minutes")), (None, None));
        assert_eq!(cleared["enabled"], true);
        assert_eq!(app.get(&format!("{SESSIONS}/mine")).send().await.json(), cleared);
    });
}

#[test]
fn a_session_is_given_time_and_is_switched_off() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({ "tti_minutes": 1 })).await;
        patch(&app, json!({ "tti_minutes": 60, "enabled": false })).await;
        app.clock.advance(TimeDelta::minutes(59));
        is_error(&say(&app, "mine", "x").send().await, 409, None, "Session 'mine' is disabled and takes no messages.");
        patch(&app, json!({ "enabled": true })).await;
        say(&app, "mine", "x").send().await.expect(201);
    });
}

#[test]
fn a_refused_patch_changes_nothing() {
    run(async {
        let app = TestApp::new().await;
        let made = session(&app, "mine", &json!({})).await;
        let path = format!("{SESSIONS}/mine");
        for (body, code, message) in [
            (json!({ "name": "" }), "invalid_request", "name: must be a string of 1 to 1000 characters"),
            (json!({ "enabled": 1 }), "invalid_request", "enabled: must be a boolean"),
            (json!({ "tti_minutes": -1 }), "invalid_request", "tti_minutes: must be an integer of 0 or more"),
            (json!({ "metadata": [] }), "invalid_metadata", "metadata: must be an object"),
        ] {
            let reply = app.ask(Method::PATCH, &path).json(body.to_string()).send().await;
            is_error(&reply, 400, Some(code), message);
        }
        assert_eq!(app.get(&path).send().await.text(), made.text());
        let nothing = app.ask(Method::PATCH, &format!("{SESSIONS}/nothing")).json("{}").send().await;
        is_error(&nothing, 404, None, "Session with key 'nothing' does not exist.");
        asks_for(&app, "sessions:write", || app.ask(Method::PATCH, &path).json("{}")).await;
    });
}
