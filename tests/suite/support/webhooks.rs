//! Shared by the tests of webhooks.

#![allow(clippy::disallowed_methods, reason = "what no part of the service can do, a test does by hand")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sessionary::domain::webhook::Subscription;
use sessionary::domain::{DeliveryId, DialectName, OrgId, WebhookEvent, WebhookId};
use sessionary::outbound::{PrivateAddresses, signature};
use sessionary::store::admin::{DeliveryRow, NewWebhook};
use sessionary::workers::webhooks::{WebhookSettings, Webhooks};
use sha2::Sha256;
use tokio::sync::{Mutex, MutexGuard};

use super::fake_responder::{FakeResponder, Received, Step, answer};
use super::{DATABASE, Setup, TestApp, admin, connection};

/// The worker sees every organization's endpoints, with the clock of one test, so only one test may use it at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// A service with its webhook worker, which works when a test calls it.
pub struct Hooks {
    pub app: TestApp,
    pub worker: Webhooks,
    _turn: MutexGuard<'static, ()>,
}

/// A registered endpoint.
pub struct Endpoint {
    pub fake: FakeResponder,
    pub id: WebhookId,
    pub secret: SecretString,
}

/// Endpoints of tests are on this machine, and respond quickly or never.
pub fn settings() -> WebhookSettings {
    WebhookSettings {
        private_addresses: PrivateAddresses::Allowed,
        response: Duration::from_secs(5),
        poll: Duration::from_millis(10),
        poll_unregistered: Duration::from_millis(10),
        ..WebhookSettings::default()
    }
}

impl Hooks {
    pub async fn new() -> Self {
        Self::with(settings()).await
    }

    pub async fn with(settings: WebhookSettings) -> Self {
        Self::of(Setup::default(), settings).await
    }

    /// Starts a service with this configuration.
    pub async fn of(setup: Setup, settings: WebhookSettings) -> Self {
        let turn = alone().await;
        let app = TestApp::with(setup).await;
        let worker = worker(&app, settings).await;
        Self { app, worker, _turn: turn }
    }

    /// Does each of the worker's steps once.
    pub async fn step(&self) {
        self.worker.scan_expiries().await.expect("a step");
        self.worker.report_expiries().await.expect("a step");
        self.worker.fan_out().await.expect("a step");
        self.worker.deliver().await.expect("a step");
    }

    /// Works until an endpoint has received at least `count` deliveries, and returns their bodies. Each is signed.
    pub async fn bodies(&self, endpoint: &Endpoint, count: usize) -> Vec<Value> {
        let mut received = Vec::new();
        let all = async {
            while received.len() < count {
                self.step().await;
                received.extend(endpoint.fake.received());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), all).await;
        let bodies: Vec<Value> = received.iter().map(Received::json).collect();
        assert!(in_time.is_ok(), "{count} deliveries in time, not {bodies:?}");
        for received in &received {
            verify(received, &endpoint.secret);
        }
        bodies
    }

    /// Registers an endpoint with these scripts for the start and the end of `agntix` sessions.
    pub async fn endpoint(&self, scripts: impl IntoIterator<Item = Vec<Step>>) -> Endpoint {
        let fake = FakeResponder::start(scripts).await;
        let (id, secret) = register(&self.app, self.app.org, &fake.url, &WebhookEvent::DEFAULT).await;
        Endpoint { fake, id, secret }
    }

    /// Registers an endpoint that accepts everything.
    pub async fn willing(&self) -> Endpoint {
        self.endpoint([taken()]).await
    }

    /// Registers an endpoint that accepts everything, for these events of these dialects.
    pub async fn willing_for(&self, events: &[WebhookEvent], dialects: &[DialectName]) -> Endpoint {
        let fake = FakeResponder::start([taken()]).await;
        let subscription = Subscription::new(events.to_vec(), dialects.to_vec());
        let (id, secret) = subscribe(&self.app, self.app.org, &fake.url, &subscription).await;
        Endpoint { fake, id, secret }
    }

    /// Queues deliveries until there are `count`: while any older transaction is open, the feed cannot be read to its
    /// end.
    pub async fn fanned_out(&self, count: usize) -> Vec<DeliveryRow> {
        let all = async {
            loop {
                self.worker.fan_out().await.expect("a step");
                let rows = self.deliveries().await;
                if rows.len() >= count {
                    return rows;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let rows = tokio::time::timeout(Duration::from_secs(20), all).await.expect("deliveries in time");
        assert_eq!(rows.len(), count, "{rows:?}");
        rows
    }

    /// Returns the deliveries of the organization's endpoints, newest first.
    pub async fn deliveries(&self) -> Vec<DeliveryRow> {
        admin().await.deliveries(self.app.org, false, 1_000).await.expect("deliveries")
    }

    /// Returns the only delivery.
    pub async fn delivery(&self) -> DeliveryRow {
        let mut rows = self.deliveries().await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.remove(0)
    }

    /// Delivers what is due after this time. Returns the number of attempts.
    pub async fn deliver_after(&self, time: TimeDelta) -> usize {
        self.app.clock.advance(time);
        self.worker.deliver().await.expect("a step")
    }
}

/// Waits until no other test has webhooks, and deletes what is left of them. No other test has some until the guard is
/// dropped.
pub async fn alone() -> MutexGuard<'static, ()> {
    let turn = TURN.lock().await;
    let mut system = connection("sessionary_system", DATABASE).await;
    let all = "DELETE FROM webhooks; DELETE FROM webhook_deliveries; DELETE FROM data_keys;
               DELETE FROM session_expiries; DELETE FROM feed_followers WHERE until IS NULL";
    sqlx::raw_sql(all).execute(&mut system).await.expect("none");
    turn
}

/// Returns a worker with this service's clock.
pub async fn worker(app: &TestApp, settings: WebhookSettings) -> Webhooks {
    Webhooks::new(admin().await.clone(), app.clock.clone(), app.mint.clone(), settings).expect("a worker")
}

/// Registers an endpoint at `/hook` of this URL for events of `agntix` sessions.
pub async fn register(app: &TestApp, org: OrgId, url: &str, events: &[WebhookEvent]) -> (WebhookId, SecretString) {
    subscribe(app, org, url, &Subscription::new(events.to_vec(), vec![DialectName::Agntix])).await
}

/// Registers an endpoint at `/hook` of this URL.
pub async fn subscribe(app: &TestApp, org: OrgId, url: &str, subscription: &Subscription) -> (WebhookId, SecretString) {
    let (id, secret) = (WebhookId(app.mint.uuid()), signature::secret(&app.mint));
    let url = format!("{url}/hook").parse().expect("a URL");
    let new = NewWebhook { id, org, url: &url, secret: &secret, subscription, created_at: app.clock.now() };
    admin().await.create_webhook(&new, &app.mint).await.expect("an endpoint");
    (id, secret)
}

/// Returns the URL of one more endpoint. An organization can have 100, so the later ones make room for it.
pub async fn url_of_another(app: &TestApp) -> String {
    let mut system = connection("sessionary_system", DATABASE).await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM webhooks WHERE org_id = $1")
        .bind(app.org.0)
        .fetch_one(&mut system)
        .await
        .expect("a count");
    if count == 0 {
        return "https://example.com/first".to_owned();
    }
    if count > 50 {
        sqlx::query("DELETE FROM webhooks WHERE org_id = $1 AND url NOT LIKE '%/first'")
            .bind(app.org.0)
            .execute(&mut system)
            .await
            .expect("room");
    }
    format!("https://example.com/{}", app.mint.hex(16))
}

/// Queues a delivery to an endpoint, and returns its id.
pub async fn queue_delivery(app: &TestApp, webhook: WebhookId) -> DeliveryId {
    let id = DeliveryId(app.mint.session_id(app.clock.now()).0);
    let mut system = connection("sessionary_system", DATABASE).await;
    sqlx::query(
        "INSERT INTO webhook_deliveries (org_id, webhook_id, delivery_id, dialect, session_id, event, queued_at,
                                         next_attempt_at)
         VALUES ($1, $2, $3, $4, $5, 'session.created', $6, $6)",
    )
    .bind(app.org.0)
    .bind(webhook.0)
    .bind(id.0)
    .bind(DialectName::Agntix.code())
    .bind(app.mint.uuid())
    .bind(app.clock.now())
    .execute(&mut system)
    .await
    .expect("a delivery");
    id
}

/// Returns the response of an endpoint that accepts a delivery.
pub fn taken() -> Vec<Step> {
    answer(204, "text/plain", "")
}

/// Checks a signature as Svix documents it, with other code than the service's.
#[track_caller]
pub fn verify(received: &Received, secret: &SecretString) {
    verify_one(received, secret, received.header("svix-signature").expect("a signature"));
}

/// Checks one of a delivery's signatures.
#[track_caller]
pub fn verify_one(received: &Received, secret: &SecretString, signature: &str) {
    let header = |name: &str| received.header(name).unwrap_or_else(|| panic!("no {name}"));
    let key = secret.expose_secret().strip_prefix("whsec_").expect("whsec_");
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(key).expect("base64")).expect("a key");
    mac.update(format!("{}.{}.", header("svix-id"), header("svix-timestamp")).as_bytes());
    mac.update(&received.body);
    let signature = signature.strip_prefix("v1,").expect("v1");
    mac.verify_slice(&STANDARD.decode(signature).expect("base64")).expect("the signature holds");
}
