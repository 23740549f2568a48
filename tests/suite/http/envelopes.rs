//! Every response below a dialect's paths is in its envelope.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use sessionary::dialects::{
    agent_key::AgentKeyDialect, agnost::Agnost, agntix::Agntix, integer_id::IntegerId, messaging::Messaging,
};
use sessionary::domain::{Clock, Mint};
use sessionary::http::{ContextLayer, Dialect, EnvelopeState, LargeBodies, LowPriority, ResponseRate, cors};
use tower::ServiceExt;

use crate::support::{Reply, TestApp, run, start};

/// Paths of a dialect without a route, and a check of its envelope.
type Owner = (&'static str, &'static [&'static str], fn(&Value) -> bool);

const OWNERS: [Owner; 5] = [
    ("agnost", &["/api/v1/capture-nothing", "/dashboard/api", "/dashboard/api/nothing"], |body| {
        body["error"].is_string()
    }),
    ("agntix", &["/v1/chat/nothing", "/v2/chat/agents/x/y", "/api/v1/chat"], |body| body["error"]["code"].is_string()),
    ("agent_key", &["/v2/nothing", "/v2"], |body| body["messages"].is_array()),
    ("messaging", &["/api/messaging/nothing", "/API/MESSAGING/sessions/a/b/c"], |body| {
        body["success"] == false && body["error"]["message"] == "API endpoint not found" && body["error"]["code"] == 404
    }),
    ("integer_id", &["/api/v1/nothing", "/api/v1"], |body| body["success"] == false && body["error"].is_string()),
];

fn assert_envelope(dialect: &str, path: &str, reply: &Reply, is_envelope: fn(&Value) -> bool) {
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"), "{dialect} {path}");
    assert!(is_envelope(&reply.json()), "{dialect} {path}: {}", reply.text());
}

#[test]
fn an_unknown_path_is_answered_by_its_owner() {
    run(async {
        let app = TestApp::new().await;
        for (dialect, paths, is_envelope) in OWNERS {
            for path in paths {
                for method in [Method::GET, Method::POST, Method::DELETE] {
                    let reply = app.ask(method, path).send().await.expect(404);
                    assert_envelope(dialect, path, &reply, is_envelope);
                }
            }
        }
    });
}

#[test]
fn a_method_that_a_path_lacks_is_answered_by_its_owner() {
    run(async {
        let app = TestApp::new().await;
        for (dialect, path, status) in [
            ("agnost", "/api/v1/capture-session", 405),
            ("agntix", "/v1/chat/chat/sessions", 405),
            ("agent_key", "/v2/agents/customer_support/sessions", 405),
            ("messaging", "/api/messaging/sessions", 404),
            ("integer_id", "/api/v1/sessions", 405),
        ] {
            let is_envelope = OWNERS.iter().find(|owner| owner.0 == dialect).expect("an owner").2;
            for method in [Method::PUT, Method::PATCH] {
                let reply = app.ask(method, path).send().await.expect(status);
                assert_envelope(dialect, path, &reply, is_envelope);
            }
        }
    });
}

/// Returns a dialect's response when a handler panics or never ends.
async fn behind_the_door<D: Dialect>(path: &str) -> Reply {
    let envelope_state = EnvelopeState {
        clock: Clock::manual(start()),
        mint: Mint::system(),
        large_bodies: LargeBodies::default(),
        responses: ResponseRate::default(),
        low_priority: LowPriority::default(),
    };
    let app = Router::new()
        .route(
            "/breaks",
            get(|| async {
                if start().timestamp() > 0 {
                    panic!("a fault of ours")
                }
            }),
        )
        .route("/never", get(std::future::pending::<()>))
        .layer(ContextLayer::<D>::new(envelope_state, cors::layer(&[])));
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let Ok(response) = app.oneshot(request).await;
    let (parts, body) = response.into_parts();
    Reply { status: parts.status, headers: parts.headers, bytes: body.collect().await.expect("a body").to_bytes() }
}

#[test]
fn a_panic_is_500_in_the_envelope_and_tells_nothing() {
    run(async {
        for reply in [
            behind_the_door::<Agnost>("/breaks").await,
            behind_the_door::<Agntix>("/breaks").await,
            behind_the_door::<AgentKeyDialect>("/breaks").await,
            behind_the_door::<Messaging>("/breaks").await,
            behind_the_door::<IntegerId>("/breaks").await,
        ] {
            let reply = reply.expect(500);
            assert!(!reply.text().contains("a fault of ours"), "{}", reply.text());
            assert!(reply.json().is_object());
            assert!(reply.header("x-request-id").is_some());
        }
    });
}

#[test]
fn a_handler_that_never_ends_is_503_in_the_envelope() {
    // Time is paused here and jumps to the next timer.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let reply = behind_the_door::<Agntix>("/never").await.expect(503);
        assert_eq!(reply.json()["error"]["code"], "SERVICE_UNAVAILABLE");
        assert_eq!(reply.header("retry-after"), Some("1"));
    });
}
