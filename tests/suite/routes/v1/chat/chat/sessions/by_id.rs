//! `GET /v1/chat/chat/sessions/{sessionId}`.

use crate::support::{AGENT_ID, TestApp, run};

const PATH: &str = "/v1/chat/chat/sessions";

#[test]
fn a_session_reads_as_it_was_created() {
    run(async {
        let app = TestApp::new().await;
        let body =
            format!(r#"{{"agentId":"{AGENT_ID}","platform":"WEB","metadata":{{"z":1,"a":12345678901234567890}}}}"#);
        let created = app.post(PATH, body).send().await.expect(201);
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let found = app.get(&format!("{PATH}/{id}")).send().await.expect(200);
        assert_eq!(found.text(), created.text());
    });
}

#[test]
fn what_is_nobodys_or_somebody_elses_is_404_with_the_same_body() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let body = format!(r#"{{"agentId":"{AGENT_ID}"}}"#);
        let theirs = other.post(PATH, body).send().await.expect(201).json()["id"].as_str().unwrap().to_owned();
        for id in
            [theirs.as_str(), "ses_01j3m8xkqp8v2nw4f7g9hk0r00", "x", "%00", "a1b2c3d4-e5f6-7890-abcd-ef1234567890"]
        {
            let error = app.get(&format!("{PATH}/{id}")).send().await.expect(404).json()["error"].clone();
            assert_eq!(error["code"], "SESSION_NOT_FOUND", "{id}");
            assert_eq!(error["message"], "The session you requested does not exist or has expired.");
        }
    });
}
