use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use super::{audited, code, pointers, walk};
use crate::support::{Reply, TestApp, run, start};

const KEYS: &str = "/sessionary/v1/keys";

fn path(key: &Value) -> String {
    format!("{KEYS}/{}", key["id"].as_str().expect("an id"))
}

/// Sends a request with another key, from this address.
async fn with(app: &TestApp, key: &str, method: Method, path: &str, body: &str) -> Reply {
    app.ask(method, path).anonymous().header("x-api-key", key).from("203.0.113.7").json(body).send().await
}

async fn make(app: &TestApp, body: Value) -> Value {
    app.post(KEYS, body.to_string()).send().await.expect(201).json()
}

#[test]
fn a_key_is_shown_once_and_works_until_it_is_revoked() {
    run(async {
        let app = TestApp::new().await;
        let made = make(&app, json!({"name": "ci", "scopes": ["sessions:read"]})).await;
        let secret = made["key"].as_str().expect("a key").to_owned();
        assert_eq!(made["scopes"], json!(["sessions:read"]));
        assert_eq!(made["state"], "active");
        let me = async || app.get("/sessionary/v1/me").anonymous().header("x-api-key", &secret).send().await;
        assert_eq!(me().await.expect(200).json()["scopes"], json!(["sessions:read"]));

        let shown = app.get(&path(&made)).send().await.expect(200);
        let rest = secret.rsplit_once('_').expect("a key").1;
        assert!(!shown.text().contains(rest), "{}", shown.text());
        assert_eq!(shown.json()["hint"], rest[..4]);

        app.ask(Method::DELETE, &path(&made)).send().await.expect(204);
        me().await.expect(401);
        app.ask(Method::DELETE, &path(&made)).send().await.expect(204);
        let gone = app.get(&path(&made)).send().await.expect(200).json();
        assert_eq!((&gone["state"], &gone["key"]), (&json!("revoked"), &Value::Null));
        assert!(walk(&app, KEYS, 1).await.contains(&made["id"].as_str().expect("an id").to_owned()));
        let target = format!("api_key/{}", made["id"].as_str().expect("an id"));
        let log = audited(&app).await;
        let own: Vec<&str> = log.iter().filter(|(_, of)| *of == target).map(|(action, _)| action.as_str()).collect();
        assert_eq!(own, ["api_key.create", "api_key.revoke"]);
    });
}

#[test]
fn a_repeated_create_makes_another_key_and_stores_none() {
    run(async {
        let app = TestApp::new().await;
        let create = || app.post(KEYS, r#"{"name":"ci"}"#).header("idempotency-key", "k");
        let (first, second) = (create().send().await.expect(201), create().send().await.expect(201));
        assert_ne!(first.member("key"), second.member("key"));
        assert_eq!(second.header("idempotency-replayed"), None);
    });
}

#[test]
fn a_key_can_do_no_more_than_its_maker() {
    run(async {
        let app = TestApp::new().await;
        let small = make(&app, json!({"name": "m", "scopes": ["manage", "sessions:read"]})).await;
        let small = small["key"].as_str().expect("a key");
        let post = async |key: &str, body: Value| with(&app, key, Method::POST, KEYS, &body.to_string()).await;
        assert_eq!(code(post(small, json!({"name": "n", "scopes": ["audit:read"]})).await, 403), "missing_scope");
        let inherited = post(small, json!({"name": "n"})).await.expect(201).json();
        assert_eq!(inherited["scopes"], json!(["sessions:read", "manage"]));

        // Nor can it take a stronger key over by rotating it, nor extend its life.
        let strong = make(&app, json!({"name": "s", "expires_at": "2026-06-01T00:00:00Z"})).await;
        let rotate = format!("{}/rotate", path(&strong));
        assert_eq!(code(with(&app, small, Method::POST, &rotate, "{}").await, 403), "missing_scope");
        let later = r#"{"expires_at":"2027-06-01T00:00:00Z"}"#;
        assert_eq!(code(with(&app, small, Method::PATCH, &path(&strong), later).await, 403), "missing_scope");
        let sooner = r#"{"expires_at":"2026-05-20T00:00:00Z"}"#;
        with(&app, small, Method::PATCH, &path(&strong), sooner).await.expect(200);

        // A key that ends makes keys that end with it, and cannot outlive itself by rotation.
        let (ending, id) = app.key_until(start() + TimeDelta::days(10)).await;
        let child = post(&ending, json!({"name": "n"})).await.expect(201).json();
        assert_eq!(child["expires_at"], "2026-05-09T09:00:00.000Z");
        let forever = post(&ending, json!({"name": "n", "expires_at": null})).await;
        assert_eq!(code(forever, 403), "outlives_caller");
        app.clock.advance(TimeDelta::days(5));
        let own = format!("{KEYS}/{id}/rotate");
        let rotated = with(&app, &ending, Method::POST, &own, r#"{"overlap_seconds":60}"#).await.expect(201).json();
        assert_eq!(rotated["expires_at"], "2026-05-09T09:00:00.000Z");
    });
}

#[test]
fn a_key_is_bound_to_no_more_networks_than_its_maker() {
    run(async {
        let app = TestApp::new().await;
        let bound = make(&app, json!({"name": "b", "allowed_addresses": ["203.0.113.0/24"]})).await;
        let key = bound["key"].as_str().expect("a key");
        let post = async |body: Value| with(&app, key, Method::POST, KEYS, &body.to_string()).await;
        let inner = post(json!({"name": "n", "allowed_addresses": ["203.0.113.7"]})).await.expect(201).json();
        assert_eq!(inner["allowed_addresses"], json!(["203.0.113.7/32"]));
        assert_eq!(post(json!({"name": "n"})).await.expect(201).json()["allowed_addresses"], json!(["203.0.113.0/24"]));
        for wider in [json!(["203.0.112.0/23"]), json!(["198.51.100.1"]), json!([]), Value::Null] {
            let reply = post(json!({"name": "n", "allowed_addresses": wider})).await;
            assert_eq!(code(reply, 403), "wider_than_caller", "{wider}");
        }
        assert_eq!(
            code(with(&app, key, Method::PATCH, &path(&bound), r#"{"allowed_addresses":null}"#).await, 403),
            "wider_than_caller"
        );
        // From elsewhere it is no credential.
        let elsewhere = app.get(KEYS).anonymous().header("x-api-key", key).from("198.51.100.1").send().await;
        assert_eq!(code(elsewhere, 403), "address_not_allowed");
        let free = r#"{"allowed_addresses":[]}"#;
        let freed = app.ask(Method::PATCH, &path(&bound)).json(free).send().await.expect(200).json();
        assert_eq!(freed["allowed_addresses"], json!([]));
        app.get(KEYS).anonymous().header("x-api-key", key).from("198.51.100.1").send().await.expect(200);
    });
}

#[test]
fn a_rotated_key_and_its_successor_overlap() {
    run(async {
        let app = TestApp::new().await;
        let old = make(&app, json!({"name": "ci", "scopes": ["sessions:read"]})).await;
        let works = async |key: &Value| {
            let key = key["key"].as_str().expect("a key");
            app.get("/sessionary/v1/me").anonymous().header("x-api-key", key).send().await.status.as_u16() == 200
        };
        let rotate = async |key: &Value, body: &str| app.post(&format!("{}/rotate", path(key)), body).send().await;
        let new = rotate(&old, r#"{"overlap_seconds":3600}"#).await.expect(201).json();
        assert_eq!((&new["name"], &new["scopes"]), (&old["name"], &old["scopes"]));
        assert!(works(&old).await && works(&new).await);
        app.clock.advance(TimeDelta::seconds(3_601));
        assert!(!works(&old).await && works(&new).await);
        assert_eq!(code(rotate(&old, "{}").await, 409), "key_has_ended");
        let newest = app.ask(Method::POST, &format!("{}/rotate", path(&new))).send().await.expect(201).json();
        assert!(!works(&new).await && works(&newest).await);
        assert_eq!(pointers(rotate(&newest, r#"{"overlap_seconds":-1}"#).await), ["/overlap_seconds"]);
        let other = TestApp::new().await;
        let foreign = other.post(&format!("{}/rotate", path(&newest)), "{}").send().await;
        assert_eq!(code(foreign, 404), "not_found");
        assert!(works(&newest).await);
    });
}

#[test]
fn using_a_key_makes_no_new_version() {
    run(async {
        let app = TestApp::new().await;
        let made = app.post(KEYS, r#"{"name":"ci"}"#).send().await.expect(201);
        let tag = made.header("etag").expect("a tag").to_owned();
        let made = made.json();
        app.get(KEYS).anonymous().header("x-api-key", made["key"].as_str().expect("a key")).send().await.expect(200);
        let patch = |body: &str| app.ask(Method::PATCH, &path(&made)).json(body).header("if-match", &tag);
        patch(r#"{"name":"new"}"#).send().await.expect(200);
        assert_eq!(code(patch(r#"{"name":"newer"}"#).send().await, 412), "precondition_failed");
        let wrong =
            r#"{"name":null,"expires_at":"2020-01-01T00:00:00Z","scopes":["manage"],"allowed_addresses":["x"]}"#;
        let mut found = pointers(app.ask(Method::PATCH, &path(&made)).json(wrong).send().await);
        found.sort_unstable();
        assert_eq!(found, ["/allowed_addresses", "/expires_at", "/name", "/scopes"]);
    });
}
