//! `POST /v1/chat/api-keys/{keyId}/revoke`.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::domain::KeyId;

use super::{NOBODYS_KEYS, listed, make, text, used, with_long_memory};
use crate::support::agntix::{KEYS, code};
use crate::support::{Reply, TestApp, agent_key, run, store};

async fn revoke(app: &TestApp, id: &str, body: &str) -> Reply {
    app.post(&format!("{KEYS}/{id}/revoke"), body).send().await
}

#[test]
fn a_revoked_key_is_refused_at_once() {
    run(async {
        let app = with_long_memory(&TestApp::new().await).await;
        let beside = app.replica(store().await.clone());
        let made = make(&app, json!({})).await;
        let (id, key) = (text(&made, "id"), text(&made, "key"));
        let other = make(&app, json!({})).await;
        for app in [&app, &beside] {
            used(app, key).await.expect(200);
        }
        let mut expected = listed(&app, id).await;
        app.clock.advance(TimeDelta::seconds(1));
        let revoked = revoke(&app, id, r#"{"reason":"left with the laptop"}"#).await.expect(200).json();
        (expected["isActive"], expected["revokedAt"]) = (json!(false), json!("2026-04-29T09:00:01Z"));
        expected["revokeReason"] = json!("left with the laptop");
        assert_eq!(revoked, expected);
        assert_eq!(listed(&app, id).await, expected);
        for app in [&app, &beside] {
            assert_eq!(code(&used(app, key).await.expect(401)), "UNAUTHORIZED");
            used(app, text(&other, "key")).await.expect(200);
        }
    });
}

#[test]
fn its_access_tokens_end_with_it() {
    run(async {
        let app = with_long_memory(&TestApp::new().await).await;
        let made = make(&app, json!({})).await;
        let id = KeyId::from_agntix(text(&made, "id")).expect("an id");
        let body = json!({"client_id": id, "client_secret": made["key"]}).to_string();
        let token = app.post("/oauth2/token", body).anonymous().send().await.expect(200).member("access_token");
        let list = || {
            let ask = app.get(agent_key::SESSIONS).anonymous();
            ask.header("authorization", format!("Bearer {token}")).send()
        };
        list().await.expect(200);
        revoke(&app, text(&made, "id"), "{}").await.expect(200);
        list().await.expect(401);
    });
}

#[test]
fn revoking_again_changes_nothing() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({})).await;
        let first = revoke(&app, text(&made, "id"), r#"{"reason":"lost"}"#).await.expect(200).json();
        app.clock.advance(TimeDelta::seconds(5));
        for body in [r#"{"reason":"again"}"#, "{}"] {
            assert_eq!(revoke(&app, text(&made, "id"), body).await.expect(200).json(), first);
        }
    });
}

#[test]
fn a_body_may_be_left_out_and_a_key_may_revoke_itself() {
    run(async {
        let app = TestApp::new().await;
        for body in [None, Some(""), Some(" "), Some("{}"), Some(r#"{"reason":null}"#)] {
            let made = make(&app, json!({"scopes": ["manage"]})).await;
            let ask = app.ask(http::Method::POST, &format!("{KEYS}/{}/revoke", text(&made, "id")));
            let ask = if let Some(body) = body { ask.json(body) } else { ask };
            let revoked = ask.anonymous().header("x-api-key", text(&made, "key")).send().await.expect(200).json();
            assert_eq!(revoked["isActive"], false);
            assert_eq!(revoked.get("revokeReason"), None::<&Value>);
            let after = app.get(KEYS).anonymous().header("x-api-key", text(&made, "key")).send().await;
            assert_eq!(code(&after.expect(401)), "UNAUTHORIZED");
        }
    });
}

#[test]
fn bad_bodies_and_nobodys_ids_are_refused() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let made = make(&app, json!({})).await;
        let id = text(&made, "id");
        let long = json!({"reason": "x".repeat(501)}).to_string();
        for body in ["[]", "null", "x", &long, r#"{"reason":5}"#, r#"{"reason":[]}"#, r#"{"reason":"\u0000"}"#] {
            assert_eq!(code(&revoke(&app, id, body).await.expect(400)), "VALIDATION_ERROR", "{body}");
        }
        let theirs = make(&other, json!({})).await;
        for nobody in NOBODYS_KEYS.into_iter().chain([text(&theirs, "id")]) {
            let refused = revoke(&app, nobody, "{}").await.expect(404);
            assert_eq!(
                (code(&refused).as_str(), &refused.json()["error"]["message"]),
                ("NOT_FOUND", &json!("API key not found."))
            );
        }
        let lacking = app.key_with("chat:write,agents:write").await;
        let ask = app.post(&format!("{KEYS}/{id}/revoke"), "{}").anonymous().header("x-api-key", lacking);
        assert_eq!(code(&ask.send().await.expect(403)), "FORBIDDEN");
        used(&app, text(&made, "key")).await.expect(200);
        used(&other, text(&theirs, "key")).await.expect(200);
    });
}
