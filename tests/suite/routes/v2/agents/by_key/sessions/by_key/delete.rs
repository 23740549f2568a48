//! `DELETE /v2/agents/{agent_key}/sessions/{session_key}`, and keys that are free again.

use chrono::TimeDelta;
use http::Method;
use serde_json::json;

use crate::support::agent_key::{SESSIONS, asks_for, events_of, is_error, kinds, say, session};
use crate::support::{TestApp, run};

#[test]
fn a_deleted_session_is_gone() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let path = format!("{SESSIONS}/mine");
        let delete = || app.ask(Method::DELETE, &path).send();
        assert_eq!(delete().await.expect(204).text(), "");
        for reply in [
            app.get(&path).send().await,
            delete().await,
            say(&app, "mine", "x").send().await,
            app.get(&events_of("mine", "")).send().await,
        ] {
            is_error(&reply, 404, None, "Session with key 'mine' does not exist.");
        }
        assert_eq!(app.sessions().await, 1);
    });
}

#[test]
fn a_key_can_be_used_again_once_its_session_is_over_however_often() {
    run(async {
        let app = TestApp::new().await;
        for round in 0..4 {
            let made = session(&app, "mine", &json!({ "metadata": { "round": round }, "tti_minutes": 5 })).await;
            assert_eq!(app.get(&format!("{SESSIONS}/mine")).send().await.expect(200).text(), made.text());
            assert_eq!(kinds(&app, "mine", "").await, [""; 0], "a conversation was handed down");
            say(&app, "mine", "hello").send().await.expect(201);
            let taken = app.post(SESSIONS, r#"{"key":"mine","name":"x"}"#).send().await;
            is_error(&taken, 409, None, "A session with key 'mine' already exists.");
            if round % 2 == 0 {
                app.ask(Method::DELETE, &format!("{SESSIONS}/mine")).send().await.expect(204);
            } else {
                app.clock.advance(TimeDelta::minutes(5));
            }
            app.get(&format!("{SESSIONS}/mine")).send().await.expect(404);
        }
        assert_eq!(app.sessions().await, 4);
    });
}

#[test]
fn of_creates_of_a_freed_key_at_once_one_is_201() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        app.ask(Method::DELETE, &format!("{SESSIONS}/mine")).send().await.expect(204);
        let creates = (0..8).map(|_| app.post(SESSIONS, r#"{"key":"mine","name":"x"}"#).send());
        let replies = futures::future::join_all(creates).await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 1);
        assert_eq!(replies.iter().filter(|reply| reply.status == 409).count(), 7);
        assert_eq!(app.sessions().await, 2);
        app.get(&format!("{SESSIONS}/mine")).send().await.expect(200);
    });
}

#[test]
fn a_create_of_a_freed_key_is_answered_again_as_the_first_time() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        app.ask(Method::DELETE, &format!("{SESSIONS}/mine")).send().await.expect(204);
        let create = || app.post(SESSIONS, r#"{"key":"mine","name":"x"}"#).header("idempotency-key", "k").send();
        let (first, second) = (create().await.expect(201), create().await.expect(201));
        assert_eq!(first.text(), second.text());
        assert_eq!(app.sessions().await, 2);
    });
}

#[test]
fn an_event_keeps_an_idle_session_alive() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({ "tti_minutes": 5 })).await;
        for _ in 0..3 {
            app.clock.advance(TimeDelta::minutes(4));
            say(&app, "mine", "still here").send().await.expect(201);
        }
        app.clock.advance(TimeDelta::minutes(5));
        app.get(&format!("{SESSIONS}/mine")).send().await.expect(404);
    });
}

#[test]
fn deleting_a_session_asks_for_the_scope() {
    run(async {
        let app = TestApp::new().await;
        session(&app, "mine", &json!({})).await;
        let path = format!("{SESSIONS}/mine");
        asks_for(&app, "sessions:write", || app.ask(Method::DELETE, &path)).await;
        app.get(&path).send().await.expect(200);
    });
}
