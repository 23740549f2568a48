//! `PATCH /v1/chat/api-keys/{keyId}`.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use super::{NOBODYS_KEYS, listed, make, text, used, with_long_memory};
use crate::support::agntix::{KEYS, code};
use crate::support::{Reply, TestApp, run, start};

async fn patch(app: &TestApp, id: &str, body: &str) -> Reply {
    app.ask(Method::PATCH, &format!("{KEYS}/{id}")).json(body).send().await
}

#[test]
fn what_is_given_is_changed_and_the_rest_stays() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"description": "old", "metadata": {"a": 1}, "scopes": ["chat:read"]})).await;
        let id = text(&made, "id");
        let mut expected = listed(&app, id).await;
        for (body, member, value) in [
            (r#"{"name":"Renamed"}"#, "name", json!("Renamed")),
            (r#"{"description":"new"}"#, "description", json!("new")),
            (r#"{"metadata":{"z":1,"b":[2]}}"#, "metadata", json!({"z": 1, "b": [2]})),
            (r#"{"expiresAt":"2027-01-01T00:00:00Z"}"#, "expiresAt", json!("2027-01-01T00:00:00Z")),
            (r#"{"name":null,"scopes":["manage"],"id":"x","isActive":false}"#, "name", json!("Renamed")),
            ("{}", "name", json!("Renamed")),
            (r#"{"description":null}"#, "description", Value::Null),
            (r#"{"metadata":null}"#, "metadata", json!({})),
            (r#"{"expiresAt":null}"#, "expiresAt", Value::Null),
        ] {
            expected[member] = value;
            assert_eq!(patch(&app, id, body).await.expect(200).json(), expected, "{body}");
            assert_eq!(listed(&app, id).await, expected, "{body}");
        }
        used(&app, text(&made, "key")).await.expect(200);
    });
}

#[test]
fn another_end_counts_at_once() {
    run(async {
        let app = with_long_memory(&TestApp::new().await).await;
        let made = make(&app, json!({})).await;
        let (id, key) = (text(&made, "id"), text(&made, "key"));
        used(&app, key).await.expect(200);
        patch(&app, id, r#"{"expiresAt":"2026-04-29T09:00:01Z"}"#).await.expect(200);
        used(&app, key).await.expect(200);
        app.clock.advance(TimeDelta::seconds(1));
        used(&app, key).await.expect(401);
    });
}

#[test]
fn a_key_that_has_ended_can_be_renamed_and_not_revived() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"expiresAt": "2026-04-29T09:00:01Z"})).await;
        let (id, key) = (text(&made, "id"), text(&made, "key"));
        app.clock.advance(TimeDelta::seconds(1));
        for body in [r#"{"expiresAt":null}"#, r#"{"name":"Old","expiresAt":"2027-01-01T00:00:00Z"}"#] {
            let refused = patch(&app, id, body).await.expect(400);
            assert_eq!(code(&refused), "VALIDATION_ERROR", "{body}");
        }
        assert_eq!(listed(&app, id).await["name"], "Production");
        let renamed = patch(&app, id, r#"{"name":"Old"}"#).await.expect(200).json();
        assert_eq!((&renamed["name"], &renamed["isActive"]), (&json!("Old"), &json!(false)));
        used(&app, key).await.expect(401);
    });
}

#[test]
fn a_key_that_ends_moves_no_end_behind_its_own() {
    run(async {
        let app = TestApp::new().await;
        let (key, own) = app.key_until(start() + TimeDelta::hours(1)).await;
        let made = make(&app, json!({"expiresAt": "2026-04-29T09:30:00Z"})).await;
        let forever = make(&app, json!({})).await;
        let ask = async |id: &str, end: Value| {
            let body = json!({ "expiresAt": end }).to_string();
            let ask = app.ask(Method::PATCH, &format!("{KEYS}/{id}")).json(body);
            ask.anonymous().header("x-api-key", &key).send().await
        };
        for id in [&own.to_agntix(), text(&made, "id"), text(&forever, "id")] {
            let refused = ask(id, json!("2026-04-29T10:00:01Z")).await.expect(403);
            assert_eq!(code(&refused), "FORBIDDEN");
        }
        for id in [&own.to_agntix(), text(&made, "id")] {
            assert_eq!(code(&ask(id, Value::Null).await.expect(403)), "FORBIDDEN");
        }
        // What is so already is no change.
        ask(text(&forever, "id"), Value::Null).await.expect(200);
        ask(text(&made, "id"), json!("2026-04-29T10:00:00Z")).await.expect(200);
        ask(text(&forever, "id"), json!("2026-04-29T10:00:00Z")).await.expect(200);
    });
}

#[test]
fn a_longer_life_takes_every_scope_of_the_key() {
    run(async {
        let app = TestApp::new().await;
        let less = app.key_with("manage,chat:read").await;
        let more = make(&app, json!({"expiresAt": "2026-04-29T10:00:00Z"})).await;
        let same = make(&app, json!({"scopes": ["chat:read"], "expiresAt": "2026-04-29T10:00:00Z"})).await;
        let ask = async |key: &Value, end: Value| {
            let body = json!({ "expiresAt": end }).to_string();
            let ask = app.ask(Method::PATCH, &format!("{KEYS}/{}", text(key, "id"))).json(body);
            ask.anonymous().header("x-api-key", &less).send().await
        };
        for later in [json!("2026-04-29T11:00:00Z"), Value::Null] {
            let refused = ask(&more, later.clone()).await.expect(403);
            assert_eq!(code(&refused), "FORBIDDEN");
            assert!(refused.text().contains("capture"), "{}", refused.text());
            ask(&same, later).await.expect(200);
        }
        ask(&more, json!("2026-04-29T09:30:00Z")).await.expect(200);
        assert_eq!(listed(&app, text(&more, "id")).await["expiresAt"], "2026-04-29T09:30:00Z");
    });
}

#[test]
fn a_revoked_key_can_be_renamed_and_not_revived() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({})).await;
        let id = text(&made, "id");
        app.ask(Method::DELETE, &format!("{KEYS}/{id}")).send().await.expect(200);
        let body = r#"{"name":"Old","expiresAt":"2027-01-01T00:00:00Z","revokedAt":null}"#;
        let changed = patch(&app, id, body).await.expect(200).json();
        assert_eq!((&changed["name"], &changed["isActive"]), (&json!("Old"), &json!(false)));
        assert_eq!(changed["revokedAt"], "2026-04-29T09:00:00Z");
        used(&app, text(&made, "key")).await.expect(401);
    });
}

#[test]
fn bad_bodies_and_nobodys_ids_are_refused() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let made = make(&app, json!({})).await;
        let id = text(&made, "id");
        let before = listed(&app, id).await;
        let long = json!({"name": "x".repeat(201)}).to_string();
        for body in [
            "",
            "[]",
            "null",
            "not json",
            &long,
            r#"{"name":""}"#,
            r#"{"name":5}"#,
            r#"{"name":"\u0000"}"#,
            r#"{"description":[]}"#,
            r#"{"metadata":"x"}"#,
            r#"{"metadata":[]}"#,
            r#"{"expiresAt":5}"#,
            r#"{"expiresAt":"2026-04-29T09:00:00Z"}"#,
            r#"{"expiresAt":"never"}"#,
            r#"{"name":"x","name":"y"}"#,
        ] {
            assert_eq!(code(&patch(&app, id, body).await.expect(400)), "VALIDATION_ERROR", "{body}");
        }
        assert_eq!(listed(&app, id).await, before);
        for nobody in NOBODYS_KEYS.into_iter().chain([text(&make(&other, json!({})).await, "id")]) {
            assert_eq!(code(&patch(&app, nobody, r#"{"name":"x"}"#).await.expect(404)), "NOT_FOUND", "{nobody}");
        }
        let lacking = app.key_with("chat:write,agents:write").await;
        let ask = app.ask(Method::PATCH, &format!("{KEYS}/{id}")).json("{}").anonymous();
        assert_eq!(code(&ask.header("x-api-key", lacking).send().await.expect(403)), "FORBIDDEN");
    });
}
