//! An identity provider on this machine that does as a test says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sessionary::auth::{JwtIssuer, JwtKey, JwtSettings, JwtVerifier, KeySetSource};
use sessionary::domain::Clock;
use sessionary::outbound::{Client, PrivateAddresses};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use url::Url;

use crate::support::{admin, start};

/// How the provider responds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    /// With an error.
    Failing,
    /// With nothing, for as long as the client waits.
    Silent,
    /// With more and more bytes.
    Endless,
    /// With a redirect to where the keys are.
    Elsewhere,
    /// With text that is no JSON.
    Garbled,
    /// With no key at all.
    Empty,
    /// With a discovery document of another issuer.
    Lying,
}

/// A key that the provider signs with.
pub struct SigningKey {
    pub id: &'static str,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
}

impl SigningKey {
    /// Returns a new P-256 key.
    pub fn new(id: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let key = EncodingKey::from_ec_der(pair.expect("a key").as_ref());
        Self { id, algorithm: Algorithm::ES256, key }
    }

    /// Returns the public part, as it is published.
    pub fn published(&self) -> Value {
        let mut key = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        key.common.key_id = Some(self.id.to_owned());
        serde_json::to_value(key).expect("JSON")
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.id), claims)
    }

    pub fn sign_as(&self, id: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).expect("a token")
    }
}

pub struct Provider {
    pub issuer: String,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

struct Shared {
    issuer: String,
    mood: Mutex<Mood>,
    keys: Mutex<Vec<Value>>,
    fetches: AtomicUsize,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Provider {
    pub async fn with(keys: &[&SigningKey]) -> Self {
        Self::below("", keys).await
    }

    /// Returns a provider whose issuer has this path, such as `/realms/acme`.
    pub async fn below(path: &str, keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}{path}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            mood: Mutex::new(Mood::Good),
            keys: Mutex::default(),
            fetches: AtomicUsize::new(0),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(published))
            .route("/moved", get(published))
            .with_state(Arc::clone(&shared));
        let router = match path.trim_end_matches('/') {
            "" => router,
            path => Router::new().nest(path, router),
        };
        let serving = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        let provider = Self { issuer, shared, serving };
        provider.publish(keys.iter().map(|key| key.published()).collect());
        provider
    }

    pub fn publish(&self, keys: Vec<Value>) {
        *self.shared.keys.lock().expect("no panic") = keys;
    }

    pub fn is(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    /// Returns how often the keys were asked for.
    pub fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    pub fn keys_at(&self) -> KeySetSource {
        KeySetSource::Url(format!("{}/keys", self.issuer).parse().expect("a URL"))
    }

    pub fn discovered(&self) -> KeySetSource {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        KeySetSource::Discovery(url.parse::<Url>().expect("a URL"))
    }

    /// Returns the issuer as a deployment trusts it.
    pub fn trusted(&self, source: KeySetSource, settings: JwtSettings) -> JwtIssuer {
        let settings = JwtSettings { issuer: Some(self.issuer.clone()), ..settings };
        JwtIssuer::new(&JwtKey::Published(source), settings).expect("an issuer")
    }
}

/// What fetches keys in the background, until it is dropped.
pub struct Fetching(AbortHandle);

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub async fn fetch(verifier: &JwtVerifier, clock: &Clock) -> Fetching {
    let (verifier, clock, admin) = (verifier.clone(), clock.clone(), admin().await.clone());
    let client = Client::new(PrivateAddresses::Allowed, Duration::from_secs(2)).expect("a client");
    Fetching(tokio::spawn(async move { verifier.fetch_keys(&admin, &clock, &client).await }).abort_handle())
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let mood = *shared.mood.lock().expect("no panic");
    match mood {
        Mood::Good | Mood::Lying => {
            let issuer = if mood == Mood::Lying { "https://another.example" } else { &shared.issuer };
            let keys = format!("{}/keys", shared.issuer.trim_end_matches('/'));
            axum::Json(json!({"issuer": issuer, "jwks_uri": keys, "scopes_supported": ["openid"]})).into_response()
        }
        mood => odd(mood).await,
    }
}

async fn published(State(shared): State<Arc<Shared>>) -> Response {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let mood = *shared.mood.lock().expect("no panic");
    match mood {
        Mood::Good | Mood::Lying => {
            let keys = shared.keys.lock().expect("no panic").clone();
            axum::Json(json!({"keys": keys})).into_response()
        }
        mood => odd(mood).await,
    }
}

async fn odd(mood: Mood) -> Response {
    match mood {
        Mood::Failing => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Silent => std::future::pending().await,
        Mood::Endless => {
            let more = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 16 * 1024])));
            Body::from_stream(more).into_response()
        }
        Mood::Elsewhere => Redirect::temporary("/moved").into_response(),
        Mood::Garbled => "<html>".into_response(),
        Mood::Empty => axum::Json(json!({"keys": []})).into_response(),
        Mood::Good | Mood::Lying => unreachable!("these respond with documents"),
    }
}

/// Returns claims of a user of this organization, good for a minute from the start.
pub fn claims(issuer: &str, organization: &str, role: &str) -> Value {
    json!({"iss": issuer, "sub": "user_1", "exp": start().timestamp() + 60, "org_id": organization, "role": role})
}
