//! Invented credentials are counted before the database is queried.

use axum::Router;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use sessionary::auth::{Authenticator, JwtKey, JwtSettings, JwtVerifier};
use sessionary::domain::{ApiKey, Mint};
use sessionary::http::RateLimiter;
use sessionary::store::{Store, StoreSettings};
use sessionary::{Deployment, build_app};

use crate::support::chaos::{Chaos, Line};
use crate::support::{Ask, Reply, TestApp, database_through, run, start};

const SECRET: &str = "a secret of thirty-two characters or more";
/// Look-ups of one address without a result that are allowed in a minute.
const MISSES: usize = 120;
const AGNTIX: &str = "/v1/chat/chat/sessions";
const AGENT_KEY: &str = "/v2/agents";

/// Returns the service with limits, over a connection to the database that can be interrupted, and without caches.
async fn app_over(chaos: &Chaos) -> (TestApp, Store) {
    let mut app = TestApp::new().await;
    let database = database_through(chaos.port).await;
    let settings = StoreSettings { lookup_cache: std::time::Duration::ZERO, ..StoreSettings::default() };
    let store = Store::connect(&database, settings).await.expect("a store");
    let authenticator = Authenticator {
        store: store.clone(),
        clock: app.clock.clone(),
        mint: Mint::system(),
        limiter: RateLimiter::new(true, app.clock.clone()),
        jwt: Some(JwtVerifier::new(&JwtKey::Secret(SECRET.into()), JwtSettings::default()).expect("a key")),
        provisioning: None,
        trusted_proxies: Vec::new(),
        default_org: None,
    };
    app.router =
        Router::new().fallback_service(build_app(Deployment::new(authenticator.into(), app.conversations.clone())));
    (app, store)
}

fn made_up_key(app: &TestApp, prefix: &str) -> String {
    ApiKey::generate(&prefix.parse().expect("a prefix"), &app.mint).expose().to_owned()
}

fn token_for(organization: &str) -> String {
    let claims = json!({"iss": "i", "exp": start().timestamp() + 3_600, "o": {"id": organization, "rol": "admin"}});
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes()))
        .expect("a token")
}

/// Every way to send a credential that only the database can verify, and how many look-ups it costs.
type Stranger = (&'static str, usize, u16, for<'a> fn(&'a TestApp) -> Ask<'a>);
const STRANGERS: [Stranger; 7] = [
    ("a key", 1, 401, |app| app.get(AGNTIX).anonymous().header("x-api-key", made_up_key(app, "pk_live"))),
    ("a key as Bearer", 1, 401, |app| {
        app.get(AGENT_KEY).anonymous().header("authorization", format!("Bearer {}", made_up_key(app, "pk_live")))
    }),
    // The text could be a key as well.
    ("an access token", 2, 401, |app| {
        app.get(AGENT_KEY).anonymous().header("authorization", format!("Bearer {}", made_up_key(app, "vat")))
    }),
    ("a client's secret", 1, 401, |app| {
        let body = json!({"client_id": app.mint.uuid(), "client_secret": made_up_key(app, "pk_live")});
        app.post("/oauth2/token", body.to_string()).anonymous()
    }),
    ("a client's secret, at the older path", 1, 401, |app| {
        let body = json!({"client_id": app.mint.uuid(), "client_secret": made_up_key(app, "pk_live")});
        app.post("/oauth/token", body.to_string()).anonymous()
    }),
    ("a token for an organization by its name", 1, 403, |app| {
        let token = token_for(&format!("org_{}", app.mint.hex(16)));
        app.get(AGNTIX).anonymous().header("authorization", format!("Bearer {token}"))
    }),
    ("a token for an organization by its id", 1, 403, |app| {
        let token = token_for(&app.mint.uuid().to_string());
        app.get(AGNTIX).anonymous().header("authorization", format!("Bearer {token}"))
    }),
];

#[test]
fn who_makes_credentials_up_is_stopped_before_the_database_is_asked() {
    run(async {
        for (name, cost, status, ask) in STRANGERS {
            let chaos = Chaos::start().await;
            let (app, store) = app_over(&chaos).await;
            for _ in 0..MISSES / cost {
                ask(&app).from("192.0.2.1").send().await.expect(status);
            }
            let over = ask(&app).from("192.0.2.1").send().await;
            assert_eq!(over.status, 429, "{name}: {}", over.text());
            assert_eq!(over.header("retry-after"), Some("1"), "{name}");
            ask(&app).from("192.0.2.2").send().await.expect(status);
            app.clock.advance(chrono::TimeDelta::milliseconds(500 * cost as i64));
            ask(&app).from("192.0.2.1").send().await.expect(status);
            // With the connection interrupted, a request that needs the database is 503.
            chaos.set(Line::Cut);
            let over = ask(&app).from("192.0.2.1").send().await;
            assert_eq!(over.status, 429, "{name}: {}", over.text());
            let asked = ask(&app).from("192.0.2.2").send().await;
            assert_eq!(asked.status, 503, "{name}: {}", asked.text());
            store.close().await;
        }
    });
}

#[test]
fn every_dialect_says_so_in_its_own_envelope() {
    run(async {
        let app = TestApp::new().await;
        for _ in 0..MISSES {
            let key = made_up_key(&app, "pk_live");
            app.get(AGNTIX).anonymous().from("192.0.2.1").header("x-api-key", key).send().await.expect(401);
        }
        for path in [AGNTIX, AGENT_KEY, "/api/v1/sessions", "/api/messaging/sessions", "/dashboard/api/raw-logs/count"]
        {
            let ask = |method| {
                let key = made_up_key(&app, "pk_live");
                app.ask(method, path).anonymous().from("192.0.2.1").header("x-api-key", key).send()
            };
            let method = if path.starts_with("/dashboard") { Method::POST } else { Method::GET };
            let over = ask(method).await.expect(429);
            assert!(over.json().is_object(), "{}", over.text());
            assert_eq!(over.header("retry-after"), Some("1"), "{path}");
        }
    });
}

#[test]
fn an_address_with_many_good_keys_is_not_disturbed() {
    run(async {
        let chaos = Chaos::start().await;
        let (app, store) = app_over(&chaos).await;
        let keys: Vec<String> =
            futures::future::join_all((0..200).map(|_| app.key_with("sessions:read"))).await.into_iter().collect();
        let ask = |key: &str| app.get(AGNTIX).anonymous().from("192.0.2.1").header("x-api-key", key).send();
        let all = || futures::future::join_all(keys.iter().map(|key| ask(key)));
        let ok = |replies: Vec<Reply>| replies.into_iter().filter(|reply| reply.status == 200).count();
        assert_eq!(ok(all().await), keys.len());
        // Nor is it after another client at the same address has tried invented keys.
        for _ in 0..MISSES {
            ask(&made_up_key(&app, "pk_live")).await.expect(401);
        }
        assert_eq!(ok(all().await), keys.len());
        let new = app.key_with("sessions:read").await;
        ask(&new).await.expect(429);
        app.clock.advance(chrono::TimeDelta::seconds(60));
        ask(&new).await.expect(200);
        store.close().await;
    });
}
