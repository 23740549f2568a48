//! `PATCH /v1/chat/chat/sessions/{sessionId}/close`.

use chrono::Duration;
use http::Method;
use serde_json::{Value, json};

use crate::support::agntix::{NOBODYS_IDS, SESSIONS, close, code, create, path_of};
use crate::support::{TestApp, run};

async fn found(app: &TestApp, id: &str) -> Value {
    app.get(&path_of(id, "")).send().await.expect(200).json()
}

#[test]
fn a_closed_session_is_as_it_was_but_for_its_state() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, r#""metadata":{"z":1,"a":2},"contact":{"externalId":"c1"}"#).await;
        let mut expected = found(&app, &id).await;
        app.clock.advance(Duration::seconds(90));
        let closed = app.ask(Method::PATCH, &path_of(&id, "/close")).json(r#"{"reason":"RESOLVED"}"#);
        let closed = closed.send().await.expect(200).json();
        expected["state"] = json!("CLOSED");
        expected["updatedAt"] = json!("2026-04-29T09:01:30Z");
        assert_eq!(closed, expected);
        assert_eq!(found(&app, &id).await, expected);
    });
}

#[test]
fn no_body_an_empty_one_and_a_reason_all_close() {
    run(async {
        let app = TestApp::new().await;
        let bare = create(&app, "").await;
        assert_eq!(close(&app, &bare).await.expect(200).json()["state"], "CLOSED");
        for body in ["", " ", "{}", r#"{"reason":null}"#, r#"{"reason":""}"#, r#"{"reason":"客","unknown":[]}"#] {
            let id = create(&app, "").await;
            let closing = app.ask(Method::PATCH, &path_of(&id, "/close")).json(body).send().await.expect(200);
            assert_eq!(closing.json()["state"], "CLOSED", "{body}");
        }
    });
}

#[test]
fn closing_again_is_200_with_the_same_session() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let first = close(&app, &id).await.expect(200);
        app.clock.advance(Duration::hours(1));
        assert_eq!(close(&app, &id).await.expect(200).text(), first.text());
        let older = app.ask(Method::PATCH, &format!("/api/v1/chat/sessions/{id}/close")).send().await.expect(200);
        assert_eq!(older.text(), first.text());
    });
}

#[test]
fn what_is_no_reason_closes_nothing() {
    run(async {
        let app = TestApp::new().await;
        let id = create(&app, "").await;
        let long = json!({"reason": "x".repeat(501)}).to_string();
        for body in
            ["[]", "null", "{", r#"{"reason":5}"#, r#"{"reason":"a","reason":"b"}"#, r#"{"reason":"\u0000"}"#, &long]
        {
            let refused = app.ask(Method::PATCH, &path_of(&id, "/close")).json(body).send().await.expect(400);
            assert_eq!(code(&refused), "VALIDATION_ERROR", "{body}");
        }
        assert_eq!(found(&app, &id).await["state"], "OPEN");
    });
}

#[test]
fn nobodys_sessions_and_somebody_elses_are_not_found_on_any_verb() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let theirs = create(&other, "").await;
        for id in NOBODYS_IDS.into_iter().chain([theirs.as_str()]) {
            for (method, below, body) in [
                (Method::GET, "", ""),
                (Method::PATCH, "/close", ""),
                (Method::GET, "/messages", ""),
                (Method::POST, "/messages", r#"{"content":"x","stream":false}"#),
                (Method::POST, "/messages", r#"{"content":"x"}"#),
            ] {
                for prefix in [SESSIONS, "/api/v1/chat/sessions"] {
                    let ask = app.ask(method.clone(), &format!("{prefix}/{id}{below}"));
                    let reply = if body.is_empty() { ask } else { ask.json(body) }.send().await.expect(404);
                    assert_eq!(code(&reply), "SESSION_NOT_FOUND", "{method} {id}{below}");
                }
            }
        }
        assert_eq!(found(&other, &theirs).await["state"], "OPEN");
    });
}

#[test]
fn closing_needs_a_credential_that_may_write() {
    run(async {
        let app = TestApp::new().await;
        let path = path_of(&create(&app, "").await, "/close");
        app.ask(Method::PATCH, &path).anonymous().send().await.expect(401);
        let reads = app.key_with("chat:read").await;
        let refused = app.ask(Method::PATCH, &path).anonymous().header("x-api-key", reads).send().await.expect(403);
        assert_eq!(code(&refused), "FORBIDDEN");
        for method in [Method::POST, Method::PUT, Method::GET] {
            app.ask(method, &path).send().await.expect(405);
        }
    });
}
