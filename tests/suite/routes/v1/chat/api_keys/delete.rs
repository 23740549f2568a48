//! `DELETE /v1/chat/api-keys/{keyId}`.

use http::Method;
use serde_json::{Value, json};

use super::{NOBODYS_KEYS, listed, make, text, used};
use crate::support::agntix::{KEYS, code};
use crate::support::{TestApp, run};

#[test]
fn a_deleted_key_is_a_revoked_one() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({})).await;
        let delete = || app.ask(Method::DELETE, &format!("{KEYS}/{}", text(&made, "id"))).send();
        let deleted = delete().await.expect(200).json();
        assert_eq!((&deleted["isActive"], &deleted["revokedAt"]), (&json!(false), &json!("2026-04-29T09:00:00Z")));
        assert_eq!(deleted.get("revokeReason"), None::<&Value>);
        assert_eq!(listed(&app, text(&made, "id")).await, deleted);
        used(&app, text(&made, "key")).await.expect(401);
        assert_eq!(delete().await.expect(200).json(), deleted);
    });
}

#[test]
fn nobodys_keys_and_those_of_others_are_404() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let theirs = make(&other, json!({})).await;
        for nobody in NOBODYS_KEYS.into_iter().chain([text(&theirs, "id")]) {
            let refused = app.ask(Method::DELETE, &format!("{KEYS}/{nobody}")).send().await.expect(404);
            assert_eq!(code(&refused), "NOT_FOUND", "{nobody}");
        }
        used(&other, text(&theirs, "key")).await.expect(200);
        let lacking = app.key_with("chat:write").await;
        let ask = app.ask(Method::DELETE, &format!("{KEYS}/x")).anonymous().header("x-api-key", lacking);
        assert_eq!(code(&ask.send().await.expect(403)), "FORBIDDEN");
        app.ask(Method::DELETE, &format!("{KEYS}/x")).anonymous().send().await.expect(401);
    });
}
