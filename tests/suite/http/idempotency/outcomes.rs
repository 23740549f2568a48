//! The outcome of an attempt determines the next one.

use axum::Extension;
use axum::response::Response;
use axum::routing::post;
use chrono::TimeDelta;
use http::StatusCode;
use serde_json::Value;
use sessionary::auth::{Caller, purpose};
use sessionary::dialects::agntix::{Agntix, AgntixError};
use sessionary::http::{Rejection, Reply};
use sessionary::idempotency::Idempotent;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use super::{PATH, keys, send, with_route};
use crate::support::{TestApp, run};

/// Returns a service with one route that sends what it drew to the test, and responds as the body asks.
async fn service() -> (TestApp, UnboundedReceiver<Uuid>) {
    let (sender, drawn) = unbounded_channel();
    (with_route(post(route).layer(Extension(sender))).await, drawn)
}

async fn route(
    caller: Caller<Agntix, purpose::WriteSessions>,
    Extension(drawn): Extension<UnboundedSender<Uuid>>,
    request: Idempotent<Agntix, Value>,
) -> Response {
    let work = async move |caller: Caller<Agntix, purpose::WriteSessions>, body: Value| {
        drawn.send(caller.mint.uuid()).expect("a test that listens");
        match body["outcome"].as_str() {
            Some("unavailable") => Err(Rejection::Unavailable.into()),
            Some("busy") => Err(Rejection::TooManyConcurrent.into()),
            Some("internal") => Err(Rejection::Internal.into()),
            Some("not found") => Err(AgntixError::AgentNotFound),
            Some("panic") => panic!("a fault of ours"),
            Some("refused in a reply") => Ok(Reply(StatusCode::GONE, body)),
            _ => Ok(Reply(StatusCode::ACCEPTED, body)),
        }
    };
    request.respond(caller, work).await
}

async fn ask(app: &TestApp, outcome: &str) -> u16 {
    send(app, PATH, "k", &format!(r#"{{"outcome":"{outcome}"}}"#)).await.status.as_u16()
}

#[test]
fn what_failed_may_have_come_to_something_and_is_done_again_with_the_same_chance() {
    run(async {
        for (outcome, status) in [("unavailable", 503), ("internal", 500), ("busy", 429)] {
            let (app, mut drawn) = service().await;
            assert_eq!(ask(&app, outcome).await, status);
            assert_eq!(ask(&app, "another body").await, 422);
            assert_eq!(ask(&app, outcome).await, status, "nobody waits for a lease");
            assert_eq!(drawn.recv().await, drawn.recv().await);
        }
    });
}

#[test]
fn a_panic_is_500_and_done_again_after_its_lease() {
    run(async {
        let (app, mut drawn) = service().await;
        assert_eq!(ask(&app, "panic").await, 500);
        assert_eq!(ask(&app, "panic").await, 409);
        app.clock.advance(TimeDelta::seconds(40));
        assert_eq!(ask(&app, "panic").await, 500);
        assert_eq!(drawn.recv().await, drawn.recv().await);
    });
}

#[test]
fn what_was_refused_is_forgotten() {
    run(async {
        for (outcome, status) in [("not found", 404), ("refused in a reply", 410)] {
            let (app, mut drawn) = service().await;
            assert_eq!(ask(&app, outcome).await, status);
            assert_eq!(keys(&app).await, 0);
            assert_eq!(ask(&app, "taken").await, 202);
            assert_ne!(drawn.recv().await, drawn.recv().await);
        }
    });
}

#[test]
fn any_success_is_kept_with_its_status() {
    run(async {
        let (app, mut drawn) = service().await;
        for _ in 0..3 {
            assert_eq!(ask(&app, "taken").await, 202);
        }
        assert!(drawn.recv().await.is_some());
        assert!(drawn.try_recv().is_err(), "it was done once");
    });
}
