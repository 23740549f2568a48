//! Keys that identity providers publish, and what a provider can do wrong (docs/credentials.md).

mod issuers;
mod provider;
mod recipes;

use std::time::Duration;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sessionary::auth::{JwtSettings, JwtVerifier, KeySetSource};

use super::tokens::KEYS;
use crate::support::{AGENT_ID, Setup, TestApp, run, start};
use provider::{Fetching, Mood, Provider, SigningKey, claims, fetch};

/// A service that trusts one provider.
struct Trusting {
    app: TestApp,
    _fetching: Fetching,
}

impl Trusting {
    async fn with(provider: &Provider, source: KeySetSource, settings: JwtSettings) -> Self {
        let verifier = JwtVerifier::of(vec![provider.trusted(source, settings)]);
        let app = TestApp::with(Setup { jwt: Some(verifier.clone()), ..Setup::default() }).await;
        let fetching = fetch(&verifier, &app.clock).await;
        Self { app, _fetching: fetching }
    }

    async fn new(provider: &Provider) -> Self {
        Self::with(provider, provider.keys_at(), JwtSettings::default()).await
    }

    fn claims(&self, provider: &Provider) -> Value {
        claims(&provider.issuer, &self.app.external_id, "admin")
    }
}

/// Creates a session with a token, and returns the status.
async fn create(app: &TestApp, token: &str) -> u16 {
    let body = format!(r#"{{"agentId":"{AGENT_ID}"}}"#);
    let ask = app.post("/v1/chat/chat/sessions", body).anonymous();
    ask.header("authorization", format!("Bearer {token}")).send().await.status.as_u16()
}

#[test]
fn tokens_are_verified_with_the_keys_that_the_issuer_publishes() {
    run(async {
        let provider = Provider::with(&[]).await;
        let named = |(algorithm, private, _): &(Algorithm, &str, &str)| {
            let pem = private.as_bytes();
            let (id, key) = match algorithm {
                Algorithm::RS256 => ("rsa", EncodingKey::from_rsa_pem(pem)),
                Algorithm::ES256 => ("ec", EncodingKey::from_ec_pem(pem)),
                _ => ("ed", EncodingKey::from_ed_pem(pem)),
            };
            SigningKey { id, algorithm: *algorithm, key: key.expect("a key") }
        };
        let keys: Vec<SigningKey> = KEYS.iter().map(named).collect();
        provider.publish(keys.iter().map(SigningKey::published).collect());
        for source in [provider.keys_at(), provider.discovered()] {
            let service = Trusting::with(&provider, source, JwtSettings::default()).await;
            let claims = service.claims(&provider);
            for key in &keys {
                assert_eq!(create(&service.app, &key.sign(&claims)).await, 201, "{}", key.id);
                // Only one of the keys can have signed such a token.
                assert_eq!(create(&service.app, &key.sign_as(None, &claims)).await, 201, "{} without id", key.id);
                assert_eq!(create(&service.app, &key.sign_as(Some("other"), &claims)).await, 401, "another id");
                let other = keys.iter().find(|other| other.id != key.id).expect("another key");
                assert_eq!(create(&service.app, &key.sign_as(Some(other.id), &claims)).await, 401, "another key's id");
            }
        }
    });
}

/// The header is the client's text: the key decides which algorithm it verifies, and a public key is nobody's secret.
#[test]
fn a_token_does_not_choose_its_algorithm() {
    run(async {
        let key = SigningKey::new("first");
        let provider = Provider::with(&[&key]).await;
        let service = Trusting::new(&provider).await;
        let claims = service.claims(&provider);
        let published = key.published();
        let as_secret = [published.to_string(), published["x"].as_str().unwrap_or_default().to_owned(), String::new()];
        for secret in as_secret {
            let header = Header { kid: Some("first".to_owned()), ..Header::new(Algorithm::HS256) };
            let forged = encode(&header, &claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a token");
            assert_eq!(create(&service.app, &forged).await, 401);
        }
        let good = key.sign(&claims);
        assert_eq!(create(&service.app, &good).await, 201);
        let (_, rest) = good.split_once('.').expect("a header");
        // {"alg":"none","kid":"first"}
        assert_eq!(create(&service.app, &format!("eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ.{rest}")).await, 401);
        let allowed = JwtSettings { algorithms: vec![Algorithm::RS256], ..JwtSettings::default() };
        let strict = Trusting::with(&provider, provider.keys_at(), allowed).await;
        assert_eq!(create(&strict.app, &key.sign(&strict.claims(&provider))).await, 401, "an algorithm not allowed");
    });
}

#[test]
fn keys_rotate_without_a_gap() {
    run(async {
        let (first, second) = (SigningKey::new("first"), SigningKey::new("second"));
        let provider = Provider::with(&[&first]).await;
        let service = Trusting::new(&provider).await;
        let claims = service.claims(&provider);
        assert_eq!(create(&service.app, &first.sign(&claims)).await, 201);
        provider.publish(vec![first.published(), second.published()]);
        assert_eq!(create(&service.app, &second.sign(&claims)).await, 201);
        assert_eq!(create(&service.app, &first.sign(&claims)).await, 201);
        provider.publish(vec![second.published()]);
        // The next unknown key leads to a fetch, after which the first key is gone.
        service.app.clock.advance(TimeDelta::seconds(31));
        assert_eq!(create(&service.app, &SigningKey::new("third").sign(&claims)).await, 401);
        assert_eq!(create(&service.app, &first.sign(&claims)).await, 401);
        assert_eq!(create(&service.app, &second.sign(&claims)).await, 201);
    });
}

#[test]
fn any_number_of_unknown_keys_leads_to_two_fetches() {
    run(async {
        let key = SigningKey::new("first");
        let provider = Provider::with(&[&key]).await;
        let service = Trusting::new(&provider).await;
        let claims = service.claims(&provider);
        let made_up = SigningKey::new("made up");
        let tokens: Vec<String> =
            (0..1_000).map(|number| made_up.sign_as(Some(&format!("kid-{number}")), &claims)).collect();
        for some in tokens.chunks(100) {
            let statuses = futures::future::join_all(some.iter().map(|token| create(&service.app, token))).await;
            assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
        }
        assert!(provider.fetches() <= 2, "{} fetches", provider.fetches());
        assert_eq!(create(&service.app, &key.sign(&claims)).await, 201);
        service.app.clock.advance(TimeDelta::seconds(31));
        assert_eq!(create(&service.app, &tokens[0]).await, 401);
        assert_eq!(provider.fetches(), 3);
    });
}

/// A client that gives up while the keys are fetched leaves nothing behind: the fetch is not its own.
#[test]
fn a_client_that_hangs_up_stops_no_fetch() {
    run(async {
        let (first, second) = (SigningKey::new("first"), SigningKey::new("second"));
        let provider = Provider::with(&[&first]).await;
        let service = Trusting::new(&provider).await;
        let claims = service.claims(&provider);
        assert_eq!(create(&service.app, &first.sign(&claims)).await, 201);
        provider.publish(vec![first.published(), second.published()]);
        let token = second.sign(&claims);
        for _ in 0..20 {
            let request = create(&service.app, &token);
            let _ = tokio::time::timeout(Duration::ZERO, request).await;
        }
        assert_eq!(create(&service.app, &token).await, 201);
        assert_eq!(provider.fetches(), 2);
    });
}

#[test]
fn a_provider_that_fails_changes_nothing_for_known_keys() {
    run(async {
        let key = SigningKey::new("first");
        for mood in
            [Mood::Failing, Mood::Silent, Mood::Endless, Mood::Elsewhere, Mood::Garbled, Mood::Empty, Mood::Lying]
        {
            let provider = Provider::with(&[&key]).await;
            let service = Trusting::with(&provider, provider.discovered(), JwtSettings::default()).await;
            let claims = service.claims(&provider);
            assert_eq!(create(&service.app, &key.sign(&claims)).await, 201, "{mood:?}");
            provider.is(mood);
            // That the issuer has no such key cannot be said now.
            let unknown = SigningKey::new("second").sign(&claims);
            assert_eq!(create(&service.app, &unknown).await, 503, "{mood:?}");
            assert_eq!(create(&service.app, &key.sign(&claims)).await, 201, "{mood:?}");
            provider.is(Mood::Good);
            service.app.clock.advance(TimeDelta::seconds(31));
            assert_eq!(create(&service.app, &unknown).await, 401, "{mood:?}");
        }
    });
}

#[test]
fn the_keys_outlive_a_restart_while_the_provider_is_down() {
    run(async {
        let key = SigningKey::new("first");
        let provider = Provider::with(&[&key]).await;
        let before = Trusting::new(&provider).await;
        assert_eq!(create(&before.app, &key.sign(&before.claims(&provider))).await, 201);
        drop(before);
        provider.is(Mood::Failing);
        let after = Trusting::new(&provider).await;
        assert_eq!(create(&after.app, &key.sign(&after.claims(&provider))).await, 201);
        // What was stored came from another place.
        let elsewhere = Trusting::with(&provider, provider.discovered(), JwtSettings::default()).await;
        assert_eq!(create(&elsewhere.app, &key.sign(&elsewhere.claims(&provider))).await, 503);
    });
}

#[test]
fn a_key_that_cannot_be_used_is_skipped() {
    run(async {
        let key = SigningKey::new("good");
        let provider = Provider::with(&[]).await;
        provider.publish(vec![
            json!("no key"),
            json!({}),
            json!({"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}),
            json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"}),
            json!({"kty": "EC", "crv": "P-521", "kid": "curve", "x": "AA", "y": "AA"}),
            json!({"kty": "future", "kid": "kind"}),
            key.published(),
        ]);
        let service = Trusting::new(&provider).await;
        let claims = service.claims(&provider);
        assert_eq!(create(&service.app, &key.sign(&claims)).await, 201);
        let header = Header { kid: Some("secret".to_owned()), ..Header::new(Algorithm::HS256) };
        let forged = encode(&header, &claims, &EncodingKey::from_secret(b"secret")).expect("a token");
        assert_eq!(create(&service.app, &forged).await, 401);
        let for_encryption = {
            let mut key = SigningKey::new("encrypts").published();
            key["use"] = json!("enc");
            key
        };
        provider.publish(vec![for_encryption]);
        service.app.clock.advance(TimeDelta::seconds(31));
        assert_eq!(create(&service.app, &SigningKey::new("encrypts").sign(&claims)).await, 503, "no key is left");
    });
}

/// A key that the issuer withdraws is accepted for an hour at most.
#[test]
fn keys_are_fetched_every_hour() {
    run(async {
        let (first, second) = (SigningKey::new("first"), SigningKey::new("second"));
        let provider = Provider::with(&[&first]).await;
        let service = Trusting::new(&provider).await;
        let later = |provider: &Provider| {
            let mut claims = service.claims(provider);
            claims["exp"] = json!(start().timestamp() + 24 * 3_600);
            claims
        };
        let claims = later(&provider);
        assert_eq!(create(&service.app, &first.sign(&claims)).await, 201);
        provider.publish(vec![second.published()]);
        service.app.clock.advance(TimeDelta::seconds(3_601));
        while provider.fetches() < 2 {
            tokio::task::yield_now().await;
        }
        // The fetch has begun; the token of the new key waits until it has ended.
        assert_eq!(create(&service.app, &second.sign(&claims)).await, 201);
        assert_eq!(create(&service.app, &first.sign(&claims)).await, 401);
    });
}
