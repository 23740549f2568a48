//! `GET /dashboard/api/profile`.

use serde_json::json;

use crate::support::agnost::is_envelope;
use crate::support::{Setup, TestApp, run, tokens};

const PATH: &str = "/dashboard/api/profile";

#[test]
fn a_token_says_who_is_calling() {
    run(async {
        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let reply = app.get(PATH).anonymous().header("authorization", tokens::bearer(&app, "guest")).send().await;
        let body = reply.expect(200).json();
        assert_eq!((&body["user_id"], &body["organization"]["id"]), (&json!("user_1"), &json!(app.org)));
        assert_eq!(body["scopes"], json!(["sessions:read", "events:read", "agents:read"]));
        for ask in [app.get(PATH), app.get(PATH).as_org_header(), app.get(PATH).anonymous()] {
            assert!(is_envelope(&ask.send().await.expect(401)));
        }
    });
}
