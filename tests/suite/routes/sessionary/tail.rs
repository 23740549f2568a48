//! `GET /sessionary/v1/events/stream`.

use http::Method;
use serde_json::{Value, json};
use sessionary::domain::DialectName;
use sqlx::Row;

use super::across::{begin, begin_all, called, path_of, say};
use super::streams::{Frame, Listener, lively};
use crate::support::{DATABASE, TestApp, connection, run};

const TAIL: &str = "/sessionary/v1/events/stream";

#[expect(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]
async fn entries(app: &TestApp) -> i64 {
    let mut system = connection("sessionary_system", DATABASE).await;
    let count = sqlx::query("SELECT count(*) FROM session_feed WHERE org_id = $1").bind(app.org);
    count.fetch_one(&mut system).await.expect("a count").get(0)
}

/// Makes the organization's followers as if they had gone away long ago.
#[expect(clippy::disallowed_methods, reason = "the time is Postgres's own")]
async fn forget_followers(app: &TestApp) {
    let mut system = connection("sessionary_system", DATABASE).await;
    let gone = sqlx::query("UPDATE feed_followers SET until = now() - interval '1 second' WHERE org_id = $1");
    gone.bind(app.org).execute(&mut system).await.expect("rows");
}

async fn next_called(listener: &mut Listener, name: &str) -> Frame {
    loop {
        let frame = listener.next().await;
        if frame.name == name {
            return frame;
        }
    }
}

#[test]
fn the_sessions_of_all_dialects_are_followed() {
    run(async {
        let (app, other) = (lively().await, lively().await);
        let mut listener = Listener::to(app.get(TAIL)).await;
        for dialect in DialectName::ALL {
            begin(&other, dialect).await;
            let id = begin(&app, dialect).await;
            let created = listener.next().await;
            assert_eq!((created.name.as_str(), &created.data["event"]), ("session.created", &Value::Null));
            assert_eq!(created.data["session"], called(&app, &id).await, "{dialect}");
            say(&app, dialect, &id, "hello").await;
            let message = next_called(&mut listener, "message.created").await;
            assert_eq!(message.data["session"]["vendor_id"], id.as_str());
            assert_eq!(message.data["event"]["messages"][0], json!({"role": "user", "text": "hello", "tool": null}));
            if dialect != DialectName::Agnost {
                let reply = next_called(&mut listener, "message.created").await;
                assert_eq!(reply.data["event"]["messages"][0]["role"], "assistant", "{dialect}");
            }
            let path = path_of(&app, &id, "").await;
            app.ask(Method::PATCH, &path).json(r#"{"name":"N"}"#).send().await.expect(200);
            loop {
                let changed = next_called(&mut listener, "session.updated").await;
                if changed.data["session"]["name"] == "N" {
                    break;
                }
            }
            if matches!(dialect, DialectName::Agntix | DialectName::IntegerId) {
                app.post(&format!("{path}/end"), "{}").send().await.expect(200);
                let ended = next_called(&mut listener, "session.ended").await;
                assert_eq!(ended.data["session"]["state"], "ended");
            }
        }
        listener.is_silent().await;
    });
}

#[test]
fn sessions_that_nobody_follows_write_no_feed() {
    run(async {
        let app = TestApp::new().await;
        for (dialect, id) in DialectName::ALL.into_iter().zip(begin_all(&app).await) {
            if dialect != DialectName::Agntix {
                say(&app, dialect, &id, "hello").await;
            }
        }
        // The start of the agntix session.
        assert_eq!(entries(&app).await, 1);
    });
}

/// Two replicas: what one writes, the other's followers receive, from the moment of their registration.
#[test]
fn a_follower_misses_nothing_and_continues_where_it_was() {
    run(async {
        let app = lively().await;
        let id = begin(&app, DialectName::AgentKey).await;
        let path = path_of(&app, &id, "/events").await;
        let append = async |text: &str| {
            let body = json!({"role": "assistant", "text": text}).to_string();
            app.post(&path, body).send().await.expect(201);
        };
        let mut listener = Listener::to(app.get(TAIL)).await;
        append("1").await;
        let first = next_called(&mut listener, "message.created").await;
        drop(listener);
        append("2").await;
        append("3").await;
        let mut resumed = Listener::to(app.get(TAIL).header("last-event-id", &first.id)).await;
        for text in ["2", "3"] {
            let frame = next_called(&mut resumed, "message.created").await;
            assert_eq!(frame.data["event"]["content"], text);
        }
        drop(resumed);

        // After a pause in which nothing followed, the client learns of it.
        forget_followers(&app).await;
        append("4").await;
        let mut late = Listener::to(app.get(TAIL).header("last-event-id", &first.id)).await;
        assert_eq!(late.next().await.name, "gap");
        append("5").await;
        loop {
            let frame = next_called(&mut late, "message.created").await;
            assert_ne!(frame.data["event"]["content"], "4");
            if frame.data["event"]["content"] == "5" {
                break;
            }
        }
        for nonsense in ["x", "-1-1", "9223372036854775807-1"] {
            let mut listener = Listener::to(app.get(TAIL).header("last-event-id", nonsense)).await;
            listener.is_silent().await;
        }
        app.get(&format!("{TAIL}?x=1")).send().await.expect(400);
    });
}

#[test]
fn without_the_scope_for_sessions_only_messages_are_sent() {
    run(async {
        let app = lively().await;
        let key = app.key_with("events:read").await;
        let mut listener = Listener::to(app.get(TAIL).without("x-api-key").header("x-api-key", &key)).await;
        let id = begin(&app, DialectName::IntegerId).await;
        say(&app, DialectName::IntegerId, &id, "hello").await;
        let first = listener.next().await;
        assert_eq!((first.name.as_str(), &first.data["session"]), ("message.created", &Value::Null));
    });
}

/// An organization has a bounded number of streams.
#[test]
fn streams_are_bounded() {
    run(async {
        let app = lively().await;
        let mut open = Vec::new();
        for _ in 0..60 {
            open.push(Listener::to(app.get(TAIL)).await);
        }
        let rejected = app.get(TAIL).send().await.expect(429);
        assert_eq!(rejected.member("code"), "too_many_streams");
        open.pop();
        app.get(TAIL).open().await;
    });
}
