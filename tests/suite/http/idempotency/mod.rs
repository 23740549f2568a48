//! `Idempotency-Key`: a repeated create returns the same session and the same response, in every dialect with the
//! header.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

mod answers;
mod guards;
mod halves;
mod outcomes;
mod recovery;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::MethodRouter;
use serde_json::Value;
use sessionary::auth::Authenticator;
use sessionary::dialects::agntix::Agntix;
use sessionary::domain::{DialectName, Mint};
use sessionary::http::{ContextLayer, EnvelopeState, LargeBodies, LowPriority, RateLimiter, ResponseRate, cors};
use sessionary::idempotency::WaitTimeout;
use sessionary::store::{KeyPlace, KeyedRequest};
use sessionary::{AppState, Deployment};
use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::support::{DATABASE, Reply, Setup, TestApp, connection, start, store};

/// A dialect's create.
struct Create {
    dialect: DialectName,
    path: &'static str,
    /// Another path of the same operation, if there is one.
    elsewhere: Option<&'static str>,
    body: &'static str,
    /// Another body that is accepted.
    other: &'static str,
    /// A path and a body for an agent that the organization does not have yet.
    late_path: &'static str,
    late_body: &'static str,
    is_envelope: fn(&Value) -> bool,
}

const CREATES: [Create; 4] = [
    Create {
        dialect: DialectName::Agntix,
        path: "/v1/chat/chat/sessions",
        elsewhere: Some("/api/v1/chat/sessions"),
        body: r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","metadata":{"a":1}}"#,
        other: r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","metadata":{"a":2}}"#,
        late_path: "/v1/chat/chat/sessions",
        late_body: r#"{"agentId":"0c0ffee0-0000-4000-8000-000000000001"}"#,
        is_envelope: |body| body["error"]["code"].is_string() && body["error"]["status"].is_u64(),
    },
    Create {
        dialect: DialectName::AgentKey,
        path: "/v2/agents/customer_support/sessions",
        elsewhere: Some("/v2/agents/messaging_agent/sessions"),
        body: r#"{"name":"Support"}"#,
        other: r#"{"name":"Another"}"#,
        late_path: "/v2/agents/late/sessions",
        late_body: r#"{"name":"Support"}"#,
        is_envelope: |body| body["messages"].is_array(),
    },
    Create {
        dialect: DialectName::Messaging,
        path: "/api/messaging/sessions",
        elsewhere: None,
        body: r#"{"agentId":"3c90c3cc-0d44-4b50-8888-8dd25736052a","userId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"}"#,
        other: r#"{"agentId":"3c90c3cc-0d44-4b50-8888-8dd25736052a","userId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890"}"#,
        late_path: "/api/messaging/sessions",
        late_body: r#"{"agentId":"0c0ffee0-0000-4000-8000-000000000001","userId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"}"#,
        is_envelope: |body| body["error"]["message"].is_string(),
    },
    Create {
        dialect: DialectName::IntegerId,
        path: "/api/v1/sessions",
        elsewhere: None,
        body: r#"{"agent_id":123,"session_type":"agent_voice"}"#,
        other: r#"{"agent_id":123,"session_type":"agent_video"}"#,
        late_path: "/api/v1/sessions",
        late_body: r#"{"agent_id":777}"#,
        is_envelope: |body| body["success"] == false && body["error"].is_string(),
    },
];

impl Create {
    async fn send(&self, app: &TestApp, key: &str) -> Reply {
        self.send_body(app, key, self.body).await
    }

    async fn send_body(&self, app: &TestApp, key: &str, body: &str) -> Reply {
        send(app, self.path, key, body).await
    }

    /// Returns the request for the store.
    fn keyed(&self, key: &str, mint: &Mint) -> KeyedRequest {
        KeyedRequest {
            place: KeyPlace {
                dialect: self.dialect.into(),
                target: Sha256::digest(format!("POST {}", self.path)).into(),
                key: key.parse().expect("a key"),
            },
            body_hash: Sha256::digest(self.body).into(),
            arrived_at: start(),
            seed: mint.secret(),
            holder: mint.uuid(),
        }
    }

    #[track_caller]
    fn refuses(&self, reply: Reply, status: u16) -> Reply {
        let reply = reply.expect(status);
        assert!((self.is_envelope)(&reply.json()), "{}: {}", self.dialect, reply.text());
        reply
    }
}

async fn send(app: &TestApp, path: &str, key: &str, body: &str) -> Reply {
    app.post(path, body).header("idempotency-key", key).send().await
}

/// Returns a service that does not wait for a running request.
async fn impatient() -> TestApp {
    TestApp::with(Setup { wait_timeout: WaitTimeout(Duration::ZERO), ..Setup::default() }).await
}

#[track_caller]
fn assert_replayed(first: &Reply, again: &Reply) {
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{}", again.text());
    assert_eq!(
        (first.status, first.text(), first.header("content-type")),
        (again.status, again.text(), again.header("content-type"))
    );
}

/// The path of the route in [`with_route`].
const PATH: &str = "/v1/chat/route";

/// Returns a service with one route of the test in Agntix's dialect, which does not wait for a running request.
async fn with_route(route: MethodRouter<AppState>) -> TestApp {
    let app = TestApp::new().await;
    let authenticator = Authenticator {
        store: store().await.clone(),
        clock: app.clock.clone(),
        mint: app.mint.clone(),
        limiter: RateLimiter::new(false, app.clock.clone()),
        jwt: None,
        provisioning: None,
        trusted_proxies: Vec::new(),
        default_org: None,
    };
    let deployment = Deployment::new(Arc::new(authenticator), app.conversations.clone());
    let state = AppState::from(Deployment { wait_timeout: WaitTimeout(Duration::ZERO), ..deployment });
    let envelope_state = EnvelopeState {
        clock: app.clock.clone(),
        mint: app.mint.clone(),
        large_bodies: LargeBodies::default(),
        responses: ResponseRate::default(),
        low_priority: LowPriority::default(),
    };
    let door = ContextLayer::<Agntix>::new(envelope_state, cors::layer(&[]));
    TestApp { router: Router::new().route(PATH, route).layer(door).with_state(state), ..app }
}

/// Returns how many keys the organization has.
async fn keys(app: &TestApp) -> i64 {
    let mut system = connection("sessionary_system", DATABASE).await;
    let count = sqlx::query("SELECT count(*) FROM idempotency_keys WHERE org_id = $1").bind(app.org);
    count.fetch_one(&mut system).await.expect("a count").get(0)
}
