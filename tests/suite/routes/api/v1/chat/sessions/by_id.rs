//! `GET /api/v1/chat/sessions/{sessionId}`: another path of `/v1/chat/chat/sessions/{sessionId}`.

use crate::support::agntix::{EXAMPLE, is_envelope};
use crate::support::{TestApp, run};

const PATH: &str = "/api/v1/chat/sessions";

#[test]
fn a_session_reads_as_it_was_created_and_reading_here_is_not_deprecated() {
    run(async {
        let app = TestApp::new().await;
        let created = app.post(PATH, EXAMPLE).send().await.expect(201);
        let id = created.json()["id"].as_str().expect("an id").to_owned();
        let found = app.get(&format!("{PATH}/{id}")).send().await.expect(200);
        assert_eq!(found.text(), created.text());
        assert_eq!(found.header("deprecation"), None);
    });
}

#[test]
fn what_is_nobodys_or_somebody_elses_is_404() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let theirs =
            other.post(PATH, EXAMPLE).send().await.expect(201).json()["id"].as_str().expect("an id").to_owned();
        for id in [theirs.as_str(), "ses_01j3m8xkqp8v2nw4f7g9hk0r00", "1", "%00"] {
            let reply = app.get(&format!("{PATH}/{id}")).send().await.expect(404);
            assert_eq!(reply.json()["error"]["code"], "SESSION_NOT_FOUND", "{id}");
        }
    });
}

#[test]
fn reading_needs_a_credential() {
    run(async {
        let app = TestApp::new().await;
        let path = format!("{PATH}/ses_01j3m8xkqp8v2nw4f7g9hk0r00");
        for ask in [app.get(&path).anonymous(), app.get(&path).as_org_header()] {
            let reply = ask.send().await.expect(401);
            assert!(is_envelope(&reply), "{}", reply.text());
        }
    });
}
