//! `PATCH`, `DELETE` and `POST …/end` of a session.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};
use sessionary::domain::DialectName;
use sessionary::workers::{erasure, erasures};

use super::across::{SESSIONS, begin, begin_all, called, path_of, say};
use crate::support::{Ask, Reply, TestApp, admin, agent_key, agntix, integer_id, run};

fn patch<'a>(app: &'a TestApp, path: &str, body: &Value) -> Ask<'a> {
    app.ask(Method::PATCH, path).json(body.to_string())
}

fn etag(reply: &Reply) -> String {
    reply.header("etag").expect("a version").to_owned()
}

#[test]
fn what_describes_a_session_is_changed() {
    run(async {
        let app = TestApp::new().await;
        for id in begin_all(&app).await {
            let path = path_of(&app, &id, "").await;
            let first = etag(&app.get(&path).send().await.expect(200));
            app.clock.advance(TimeDelta::seconds(1));
            let body = json!({"name": "N", "description": "D", "metadata": {"b": 1, "a": 12345678901234567890_u64}});
            let changed = patch(&app, &path, &body).header("if-match", &first).send().await.expect(200);
            let second = etag(&changed);
            assert_ne!(first, second);
            let shown = app.get(&path).send().await.expect(200);
            assert_eq!((etag(&shown), shown.text()), (second.clone(), changed.text()));
            let shown = shown.json();
            assert_eq!((&shown["name"], &shown["description"]), (&body["name"], &body["description"]));
            assert_eq!(shown["metadata"].to_string(), body["metadata"].to_string());
            assert!(shown["updated_at"].as_str() > shown["created_at"].as_str());

            // The version is checked under the session's lock, and what is absent stays.
            let late = patch(&app, &path, &json!({"name": "late"})).header("if-match", &first).send().await.expect(412);
            assert_eq!(late.member("code"), "precondition_failed");
            let cleared = json!({"description": null});
            let cleared = patch(&app, &path, &cleared).header("if-match", "*").send().await.expect(200).json();
            assert_eq!((&cleared["name"], &cleared["description"]), (&json!("N"), &Value::Null));
            let unchanged = patch(&app, &path, &json!({})).send().await.expect(200).json();
            assert_eq!(unchanged, cleared);
            // Its own dialect still reads it.
            if let Some(path) = unchanged["vendor_path"].as_str() {
                app.get(path).send().await.expect(200);
            }
        }
    });
}

#[test]
fn what_a_session_cannot_be_is_422() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let id = begin(&app, DialectName::Agntix).await;
        let path = path_of(&app, &id, "").await;
        for (body, pointer) in [
            (json!({"name": ""}), "/name"),
            (json!({"name": "x".repeat(1_001)}), "/name"),
            (json!({"name": 1}), "/name"),
            (json!({"description": "x".repeat(10_001)}), "/description"),
            (json!({"metadata": []}), "/metadata"),
            (json!({"metadata": {"x": "x".repeat(65_536)}}), "/metadata"),
            (json!({"state": "ended"}), "/state"),
            (json!({"a/b": 1}), "/a~1b"),
        ] {
            let reply = patch(&app, &path, &body).send().await.expect(422).json();
            assert_eq!(reply["errors"][0]["pointer"], pointer, "{reply}");
        }
        let all = patch(&app, &path, &json!({"name": 1, "metadata": 2, "x": 3})).send().await.expect(422).json();
        assert_eq!(all["errors"].as_array().expect("faults").len(), 3);
        patch(&app, &path, &json!([])).send().await.expect(400);
        patch(&other, &path, &json!({"name": "x"})).send().await.expect(404);
        other.ask(Method::DELETE, &path).send().await.expect(404);
        assert_eq!(called(&app, &id).await["name"], Value::Null);
    });
}

#[test]
fn a_session_ends_as_its_dialect_ends_it() {
    run(async {
        let app = TestApp::new().await;
        let ids = begin_all(&app).await;
        app.clock.advance(TimeDelta::seconds(90));
        for (dialect, id) in DialectName::ALL.into_iter().zip(&ids) {
            let path = path_of(&app, id, "").await;
            let end = || app.post(&format!("{path}/end"), "{}");
            let expected = match dialect {
                DialectName::Agntix | DialectName::IntegerId => None,
                DialectName::Agnost => Some("does_not_end"),
                DialectName::AgentKey | DialectName::Messaging => Some("ends_by_deletion"),
            };
            if let Some(code) = expected {
                assert_eq!(end().send().await.expect(409).member("code"), code);
                assert_eq!(app.get(&path).send().await.expect(200).member("state"), "open");
                continue;
            }
            end().header("if-match", "\"other\"").send().await.expect(412);
            let first = end().header("idempotency-key", "k").send().await.expect(200);
            assert_eq!(first.member("state"), "ended");
            let again = end().header("idempotency-key", "k").send().await.expect(200);
            assert_eq!((again.header("idempotency-replayed"), again.text()), (Some("true"), first.text()));
            app.clock.advance(TimeDelta::seconds(5));
            assert_eq!(end().send().await.expect(200).json(), first.json());
            app.post(&format!("{path}/end"), r#"{"x":1}"#).send().await.expect(422);
        }
        let closed = app.get(&agntix::path_of(&ids[1], "")).send().await.expect(200);
        assert_eq!(closed.member("state"), "CLOSED");
        let ended = integer_id::session(&app, ids[4].parse().expect("a number")).await;
        assert_eq!((&ended["status"], &ended["duration"]), (&json!("completed"), &json!(95)), "{ended}");
    });
}

#[test]
fn a_session_of_any_dialect_is_deleted_with_its_events() {
    run(async {
        let app = TestApp::new().await;
        let ids = begin_all(&app).await;
        for (dialect, id) in DialectName::ALL.into_iter().zip(&ids) {
            say(&app, dialect, id, "hello").await;
        }
        for id in &ids {
            let session = called(&app, id).await;
            let path = path_of(&app, id, "").await;
            app.ask(Method::DELETE, &path).header("if-match", "\"x\"").send().await.expect(412);
            let version = etag(&app.get(&path).send().await.expect(200));
            app.ask(Method::DELETE, &path).header("if-match", version).send().await.expect(204);
            for path in [path.clone(), format!("{path}/events")] {
                app.get(&path).send().await.expect(404);
            }
            app.ask(Method::DELETE, &path).send().await.expect(404);
            patch(&app, &path, &json!({"name": "x"})).send().await.expect(404);
            if let Some(path) = session["vendor_path"].as_str() {
                app.get(path).send().await.expect(404);
            }
        }
        assert_eq!(app.get(SESSIONS).send().await.expect(200).json()["data"], json!([]));
        // The worker takes the erasures of all organizations.
        let _turn = crate::workers::TURN.lock().await;
        for _ in 0..2 {
            app.clock.advance(TimeDelta::minutes(10));
            erasure::erase(admin().await, app.clock.now()).await.expect("erasures");
            erasures::carry_out(admin().await, app.clock.now()).await.expect("erasures");
        }
        let rows = crate::authorization::rows::of(app.org).await;
        for table in ["session_events", "session_counters", "captured_events", "erasure_sessions"] {
            assert_eq!(rows[table].0, 0, "{table}");
        }
        assert_eq!((rows["sessions"].0, rows["erasures"].0), (2, 3));
    });
}

#[test]
fn a_legal_hold_keeps_sessions() {
    run(async {
        let app = TestApp::new().await;
        agent_key::session(&app, "s", &json!({})).await;
        let path = path_of(&app, "s", "").await;
        admin().await.set_legal_hold(app.org, Some(app.clock.now())).await.expect("a hold");
        let reply = app.ask(Method::DELETE, &path).send().await.expect(409);
        assert_eq!(reply.member("code"), "legal_hold");
        app.get(&path).send().await.expect(200);
    });
}
