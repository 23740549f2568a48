//! Reports of leaked keys, as GitHub's secret scanning sends them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::auth::LeakReports;
use sessionary::domain::{ApiKey, KeyPrefix, Mint};
use sessionary::outbound::{Client, PrivateAddresses};
use sessionary::store::AuditRow;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::support::{Ask, Setup, TestApp, admin, run, start};

const PATH: &str = "/security/leaked-keys";

/// A key that reports are signed with.
struct Signer {
    id: &'static str,
    key: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let document = document.expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref()).expect("a key");
        Self { id, key }
    }

    /// Returns the public part, as GitHub publishes it.
    fn published(&self) -> Value {
        let der = self.key.public_key().as_der().expect("a public key");
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der.as_ref()));
        json!({"key_identifier": self.id, "key": pem, "is_current": true})
    }

    fn signature(&self, body: &str) -> String {
        STANDARD.encode(self.key.sign(&SystemRandom::new(), body.as_bytes()).expect("a signature").as_ref())
    }
}

/// A place where keys are published.
struct Publisher {
    url: String,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

#[derive(Default)]
struct Shared {
    /// `None` responds with an error.
    keys: Mutex<Option<Vec<Value>>>,
    fetches: AtomicUsize,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Publisher {
    async fn of(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let router = Router::new().route("/keys", get(async move || respond(&its)));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        let publisher = Self { url, shared, serving };
        publisher.publish(signers);
        publisher
    }

    fn publish(&self, signers: &[&Signer]) {
        let keys = signers.iter().map(|signer| signer.published()).collect();
        *self.shared.keys.lock().expect("no panic") = Some(keys);
    }

    fn fails(&self) {
        *self.shared.keys.lock().expect("no panic") = None;
    }

    fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }
}

fn respond(shared: &Shared) -> Response {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    match &*shared.keys.lock().expect("no panic") {
        // One that cannot be used is skipped.
        Some(keys) => {
            let odd = json!({"key_identifier": "odd", "key": "no PEM", "is_current": false});
            let keys = [&[odd][..], keys].concat();
            axum::Json(json!({ "public_keys": keys })).into_response()
        }
        None => http::StatusCode::FORBIDDEN.into_response(),
    }
}

/// A service that accepts reports, and what fetches its keys.
struct Accepting {
    app: TestApp,
    fetching: AbortHandle,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}

impl Accepting {
    async fn from(publisher: &Publisher) -> Self {
        let reports = LeakReports::new(publisher.url.parse().expect("a URL"), admin().await.clone());
        let app = TestApp::with(Setup { leak_reports: Some(reports.clone()), ..Setup::default() }).await;
        let clock = app.clock.clone();
        let client = Client::new(PrivateAddresses::Allowed, Duration::from_secs(2)).expect("a client");
        let fetching = tokio::spawn(async move { reports.fetch_keys(&clock, &client).await }).abort_handle();
        Self { app, fetching }
    }

    fn unsigned(&self, body: &str) -> Ask<'_> {
        self.app.post(PATH, body).anonymous().from("192.0.2.9")
    }

    fn signed(&self, signer: &Signer, body: &str) -> Ask<'_> {
        let ask = self.unsigned(body).header("github-public-key-identifier", signer.id);
        ask.header("github-public-key-signature", signer.signature(body))
    }

    async fn status_of(&self, key: &str) -> u16 {
        let ask = self.app.get("/v2/agents").anonymous().header("x-api-key", key);
        ask.send().await.status.as_u16()
    }
}

fn entry(token: &str) -> Value {
    let url = "https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt";
    json!({"token": token, "type": "sessionary_api_key", "url": url, "source": "content"})
}

fn report(tokens: &[&str]) -> String {
    json!(tokens.iter().map(|token| entry(token)).collect::<Vec<_>>()).to_string()
}

#[test]
fn the_keys_of_a_report_are_revoked_at_once_and_recorded() {
    run(async {
        let signer = Signer::new("one");
        let publisher = Publisher::of(&[&Signer::new("other"), &signer]).await;
        let service = Accepting::from(&publisher).await;
        let app = &service.app;
        let (leaked, id) = app.key_until(start() + TimeDelta::days(9)).await;
        let safe = app.key_with("agents:read").await;
        let unknown = ApiKey::generate(&KeyPrefix::default(), &Mint::system()).expose().to_owned();
        assert_eq!(service.status_of(&leaked).await, 200);
        let body = report(&[&leaked, &unknown, "NMIfyYncKcRALEXAMPLE"]);
        let reply = service.signed(&signer, &body).send().await.expect(200);
        let feedback = |token: &str, label: &str| json!({"token_hash": ApiKey::hash_of(token), "token_type": "sessionary_api_key", "label": label});
        let expected = json!([
            feedback(&leaked, "true_positive"),
            feedback(&unknown, "false_positive"),
            feedback("NMIfyYncKcRALEXAMPLE", "false_positive"),
        ]);
        assert_eq!(reply.json(), expected);
        assert!(!reply.text().contains(&leaked));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!((service.status_of(&leaked).await, service.status_of(&safe).await), (401, 200));

        let entries = admin().await.audit_entries(app.org, start() - TimeDelta::days(1), None, None, 10);
        let entries = entries.await.expect("entries");
        let revoked: Vec<_> = entries.iter().filter(|entry| entry.action == "api_key.revoke").collect();
        let [entry] = revoked[..] else { panic!("{entries:?}") };
        assert_eq!((entry.actor_kind.as_str(), entry.target.as_str()), ("leak_report", &*format!("api_key/{id}")));
        assert_eq!(entry.address.as_deref(), Some("192.0.2.9"));
        let after = entry.after.as_deref().expect("a state");
        assert!(after.contains("leaked: https://github.com/octocat/Hello-World/blob/"), "{after}");
        let listed = app.tenant().await.api_keys().list(None, 10).await.expect("keys").keys;
        let reason = listed.iter().find(|key| key.id == id).and_then(|key| key.revoke_reason.clone());
        assert!(reason.is_some_and(|reason| reason.starts_with("leaked: https://github.com/")));

        // Again, nothing is changed, and it is still a key.
        let again = service.signed(&signer, &report(&[&leaked])).send().await.expect(200);
        assert_eq!(again.json()[0]["label"], "true_positive");
        let entries = admin().await.audit_entries(app.org, start() - TimeDelta::days(1), None, None, 10);
        let count = entries.await.expect("entries").iter().filter(|entry| entry.action == "api_key.revoke").count();
        assert_eq!(count, 1);
    });
}

/// Returns the entries of the audit log with this action.
async fn audited(app: &TestApp, action: &str) -> Vec<AuditRow> {
    let entries = admin().await.audit_entries(app.org, start() - TimeDelta::days(1), None, None, 100).await;
    entries.expect("entries").into_iter().filter(|entry| entry.action == action).collect()
}

#[test]
fn the_access_tokens_of_a_report_end_and_their_keys_stay() {
    run(async {
        let signer = Signer::new("one");
        let publisher = Publisher::of(&[&signer]).await;
        let service = Accepting::from(&publisher).await;
        let app = &service.app;
        let (key, id) = app.key_until(start() + TimeDelta::days(9)).await;
        let issue = async || {
            let body = json!({"grant_type": "client_credentials", "client_id": id.to_string(), "client_secret": key});
            app.post("/oauth2/token", body.to_string()).anonymous().send().await.expect(200).member("access_token")
        };
        let status = async |token: &str| {
            let ask = app.get("/v2/agents").anonymous().header("authorization", format!("Bearer {token}"));
            ask.send().await.status.as_u16()
        };
        let (leaked, other) = (issue().await, issue().await);
        assert!(leaked.starts_with("vat_"), "{leaked}");
        assert_eq!((status(&leaked).await, status(&other).await), (200, 200));
        let made_up = ApiKey::generate(&"vat".parse().expect("a prefix"), &Mint::system()).expose().to_owned();
        let reply = service.signed(&signer, &report(&[&leaked, &made_up])).send().await.expect(200);
        let labels = json!([reply.json()[0]["label"], reply.json()[1]["label"]]);
        assert_eq!(labels, json!(["true_positive", "false_positive"]));
        assert_eq!(reply.json()[0]["token_hash"], ApiKey::hash_of(&leaked));
        assert!(!reply.text().contains(&leaked));
        assert_eq!((status(&leaked).await, status(&other).await), (401, 200));
        assert_eq!((service.status_of(&key).await, status(&issue().await).await), (200, 200), "the key stays");

        let entries = audited(app, "access_token.revoke").await;
        let [entry] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((entry.actor_kind.as_str(), entry.target.as_str()), ("leak_report", &*format!("api_key/{id}")));
        let after = entry.after.as_deref().expect("a state");
        assert!(after.contains("leaked: https://github.com/octocat/Hello-World/blob/"), "{after}");
        assert!(!format!("{entry:?}").contains(&leaked[4..]), "{entry:?}");

        assert!(audited(app, "api_key.revoke").await.is_empty());
        let leaked_now = issue().await;
        app.clock.advance(TimeDelta::minutes(30));
        let reply = service.signed(&signer, &report(&[&leaked_now, &leaked_now])).send().await.expect(200);
        let labels = json!([reply.json()[0]["label"], reply.json()[1]["label"]]);
        assert_eq!(labels, json!(["true_positive", "true_positive"]), "one that has ended was issued, too");
        assert_eq!(audited(app, "access_token.revoke").await.len(), 1);
    });
}

#[test]
fn what_is_not_signed_changes_and_says_nothing() {
    run(async {
        let (signer, other, stranger) = (Signer::new("one"), Signer::new("other"), Signer::new("stranger"));
        let publisher = Publisher::of(&[&signer, &other]).await;
        let service = Accepting::from(&publisher).await;
        let (key, _) = service.app.key_until(start() + TimeDelta::days(9)).await;
        let body = report(&[&key]);
        let good = signer.signature(&body);
        let with = |id: &str, signature: &str, body: &str| {
            let ask = service.unsigned(body).header("github-public-key-identifier", id);
            ask.header("github-public-key-signature", signature)
        };
        let changed = body.replace("content", "contents");
        let mut flipped = STANDARD.decode(&good).expect("base64");
        *flipped.last_mut().expect("a byte") ^= 1;
        let rejected = [
            service.unsigned(&body),
            service.unsigned(&body).header("github-public-key-identifier", "one"),
            service.unsigned(&body).header("github-public-key-signature", &good),
            with("other", &good, &body),
            with("one", &other.signature(&body), &body),
            with("stranger", &stranger.signature(&body), &body),
            with("odd", &good, &body),
            with("one", &good, &changed),
            with("one", &good, &format!("{body} ")),
            with("one", &STANDARD.encode(flipped), &body),
            with("one", "", &body),
            with("one", "not base64!", &body),
            with("one", &good, &body).header("github-public-key-signature", &good),
            with("one", &good, &body).header("github-public-key-identifier", "one"),
        ];
        let mut texts = Vec::new();
        for (place, ask) in rejected.into_iter().enumerate() {
            let reply = ask.send().await;
            assert_eq!(reply.status, 401, "{place}: {}", reply.text());
            texts.push(reply.text().to_owned());
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "every rejection is the same: {texts:?}");
        assert_eq!(service.status_of(&key).await, 200);
        assert_eq!(with("one", &good, &body).send().await.status, 200);
        assert_eq!(service.status_of(&key).await, 401);
    });
}

#[test]
fn reports_are_bounded_and_must_be_readable() {
    run(async {
        let signer = Signer::new("one");
        let publisher = Publisher::of(&[&signer]).await;
        let service = Accepting::from(&publisher).await;
        let (key, _) = service.app.key_until(start() + TimeDelta::days(9)).await;
        for bad in ["", "{}", "null", "[1]", "[{}]", r#"[{"token":1}]"#, "[", r#"{"token":"x"}"#] {
            let reply = service.signed(&signer, bad).send().await;
            assert_eq!(reply.status, 400, "{bad}: {}", reply.text());
        }
        let tokens: Vec<String> = std::iter::once(key.clone()).chain((0..99).map(|n| format!("x{n}"))).collect();
        let mut tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        tokens.push("one more");
        assert_eq!(service.signed(&signer, &report(&tokens)).send().await.status, 413);
        let long = format!("[{}{}]", " ".repeat(256 * 1024), entry(&key));
        assert_eq!(service.signed(&signer, &long).send().await.status, 413);
        assert_eq!(service.status_of(&key).await, 200, "a report that is rejected revokes nothing");
        tokens.pop();
        let reply = service.signed(&signer, &report(&tokens)).send().await.expect(200);
        assert_eq!(reply.json().as_array().expect("feedback").len(), 100);
        assert_eq!(service.status_of(&key).await, 401);
        // Members that are absent, or longer than what is stored.
        assert_eq!(service.signed(&signer, "[]").send().await.expect(200).json(), json!([]));
        let odd = json!([{"token": key, "url": "ü\u{0}".repeat(9_000)}, {"token": "\u{0}", "type": ""}]).to_string();
        assert_eq!(service.signed(&signer, &odd).send().await.status, 200);
    });
}

#[test]
fn published_keys_are_fetched_with_care() {
    run(async {
        let (first, second) = (Signer::new("first"), Signer::new("second"));
        let publisher = Publisher::of(&[&first]).await;
        let service = Accepting::from(&publisher).await;
        let status = async |signer: &Signer| service.signed(signer, "[]").send().await.status.as_u16();
        assert_eq!(status(&first).await, 200);
        // A key that was published meanwhile is fetched when it is first named.
        publisher.publish(&[&first, &second]);
        service.app.clock.advance(TimeDelta::seconds(31));
        assert_eq!(status(&second).await, 200);
        let before = publisher.fetches();
        for _ in 0..50 {
            assert_eq!(status(&Signer { id: "made up", ..Signer::new("x") }).await, 401);
        }
        assert!(publisher.fetches() <= before + 1, "{} fetches", publisher.fetches() - before);
        // While they cannot be fetched, known keys stay.
        publisher.fails();
        service.app.clock.advance(TimeDelta::seconds(31));
        assert_eq!(status(&Signer::new("third")).await, 503);
        assert_eq!((status(&first).await, status(&second).await), (200, 200));
    });
}

#[test]
fn without_the_setting_there_is_no_such_route() {
    run(async {
        let app = TestApp::new().await;
        let signer = Signer::new("one");
        let body = report(&[&app.key]);
        let ask = app.post(PATH, &*body).anonymous().header("github-public-key-identifier", signer.id);
        let reply = ask.header("github-public-key-signature", signer.signature(&body)).send().await;
        assert_eq!(reply.status, 404);
        assert_eq!(app.get(PATH).send().await.status, 404);
        assert_eq!(app.get("/v2/agents").send().await.status, 200);
    });
}
