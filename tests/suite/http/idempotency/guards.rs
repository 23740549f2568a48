//! Guards for handlers whose response is not complete when they return.

use axum::Extension;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::TimeDelta;
use http::StatusCode;
use serde_json::Value;
use sessionary::auth::{Caller, purpose};
use sessionary::dialects::agntix::Agntix;
use sessionary::idempotency::{ClaimOutcome, IdempotencyGuard, Idempotent};
use sessionary::store::Series;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{PATH, keys, send, with_route};
use crate::support::{Reply, TestApp, run};

/// Returns a service with one route that responds at once with what it drew, and passes its guard to the test.
async fn streaming() -> (TestApp, UnboundedReceiver<IdempotencyGuard>) {
    let (sender, guards) = unbounded_channel();
    (with_route(post(stream).layer(Extension(sender))).await, guards)
}

async fn stream(
    caller: Caller<Agntix, purpose::WriteSessions>,
    Extension(guards): Extension<UnboundedSender<IdempotencyGuard>>,
    request: Idempotent<Agntix, Value>,
) -> Response {
    let (caller, _, guard) = match request.claim(caller).await {
        ClaimOutcome::Fresh(caller, body, guard) => (caller, body, guard),
        ClaimOutcome::Respond(response) => return response,
    };
    guards.send(guard).expect("a test that listens");
    let number = caller.number(Series::Sessions).await.expect("a number");
    format!("{} {} {number}", caller.now(), caller.mint.uuid()).into_response()
}

async fn ask(app: &TestApp) -> Reply {
    send(app, PATH, "k", "{}").await
}

#[test]
fn a_stream_is_409_while_it_runs_and_its_transcript_afterwards() {
    run(async {
        let (app, mut guards) = streaming().await;
        ask(&app).await.expect(200);
        let guard = guards.recv().await.expect("a ticket");
        assert!(guard.is_keyed());
        ask(&app).await.expect(409);
        guard.store(StatusCode::OK, Some("text/event-stream"), b"data: all of it\n\n").await;
        let replayed = ask(&app).await.expect(200);
        assert_eq!(replayed.text(), "data: all of it\n\n");
        assert_eq!(replayed.header("content-type"), Some("text/event-stream"));
        assert_eq!(replayed.header("idempotency-replayed"), Some("true"));
    });
}

#[test]
fn a_stream_that_renews_its_lease_is_not_taken_over() {
    run(async {
        let (app, mut guards) = streaming().await;
        let first = ask(&app).await.expect(200);
        let guard = guards.recv().await.expect("a ticket");
        for _ in 0..3 {
            app.clock.advance(TimeDelta::seconds(39));
            assert!(guard.renew().await.expect("an answer"));
            ask(&app).await.expect(409);
        }
        app.clock.advance(TimeDelta::seconds(40));
        let second = ask(&app).await.expect(200);
        assert_eq!(first.text(), second.text(), "time, chance and numbers are those of the first attempt");
        assert!(!guard.renew().await.expect("an answer"), "another attempt has it");
        // A late response is not stored.
        guard.store(StatusCode::OK, None, b"late").await;
        ask(&app).await.expect(409);
    });
}

#[test]
fn a_stream_that_fails_is_done_again_and_one_that_is_refused_is_forgotten() {
    run(async {
        let (app, mut guards) = streaming().await;
        let first = ask(&app).await.expect(200);
        guards.recv().await.expect("a ticket").give_up().await;
        assert_eq!(ask(&app).await.expect(200).text(), first.text());
        // The first attempt may have had an effect, so a rejection of the second does not free the key.
        guards.recv().await.expect("a ticket").release().await;
        assert_eq!(ask(&app).await.expect(200).text(), first.text());

        let (app, mut guards) = streaming().await;
        let first = ask(&app).await.expect(200);
        guards.recv().await.expect("a ticket").release().await;
        assert_eq!(keys(&app).await, 0);
        assert_ne!(ask(&app).await.expect(200).text(), first.text());
    });
}

#[test]
fn an_answer_too_long_to_keep_is_made_again() {
    run(async {
        let (app, mut guards) = streaming().await;
        let first = ask(&app).await.expect(200);
        let guard = guards.recv().await.expect("a ticket");
        guard.store(StatusCode::OK, None, &vec![b'x'; 4 * 1024 * 1024 + 1]).await;
        app.clock.advance(TimeDelta::seconds(40));
        assert_eq!(ask(&app).await.expect(200).text(), first.text());
        let guard = guards.recv().await.expect("a ticket");
        let longest = vec![b'x'; 4 * 1024 * 1024];
        guard.store(StatusCode::OK, None, &longest).await;
        assert_eq!(ask(&app).await.expect(200).bytes, longest);
    });
}

#[test]
fn without_a_key_a_ticket_is_good_for_nothing() {
    run(async {
        let (app, mut guards) = streaming().await;
        for _ in 0..2 {
            app.post(PATH, "{}").send().await.expect(200);
            let guard = guards.recv().await.expect("a ticket");
            assert!(!guard.is_keyed());
            assert!(guard.renew().await.expect("an answer"));
            guard.store(StatusCode::OK, None, b"x").await;
        }
        assert_eq!(keys(&app).await, 0);
    });
}
