//! API keys that may be used from some networks only.

use serde_json::json;

use crate::support::{Ask, Reply, Setup, TestApp, run};

const OFFICE: &[&str] = &["203.0.113.0/24", "2001:db8:1::/48"];
/// A path of every dialect, and the words of its envelope.
const PATHS: [(&str, &str); 5] = [
    ("/dashboard/api/dashboard/charts", "This API key may not be used from this address"),
    ("/v1/chat/chat/sessions", "FORBIDDEN"),
    ("/v2/agents", "forbidden"),
    ("/api/messaging/sessions/8f14e45f-ceea-467f-a0e6-3d6e4b2f5c11", "FORBIDDEN"),
    ("/api/v1/sessions", "This API key may not be used from this address"),
];

fn with<'a>(app: &'a TestApp, path: &str, key: &str) -> Ask<'a> {
    app.get(path).anonymous().header("x-api-key", key)
}

#[track_caller]
fn assert_elsewhere(reply: &Reply, words: &str) {
    let text = reply.text();
    assert_eq!(reply.status, 403, "{text}");
    assert!(text.contains(words) && text.contains("may not be used from this address"), "{text}");
}

#[test]
fn a_key_is_rejected_from_elsewhere_in_every_dialects_envelope() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = app.key_from(OFFICE).await;
        for (path, words) in PATHS {
            for address in ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8:1:2::3"] {
                let reply = with(&app, path, &key).from(address).send().await;
                assert_ne!(reply.status, 403, "{path} from {address}: {}", reply.text());
            }
            for address in ["203.0.114.9", "::ffff:192.0.2.1", "2001:db8:2::3"] {
                assert_elsewhere(&with(&app, path, &key).from(address).send().await, words);
            }
            // Such as over a Unix socket.
            assert_elsewhere(&with(&app, path, &key).send().await, words);
        }
        let writes = app.post("/v2/agents/customer_support/sessions", r#"{"name":"s"}"#).anonymous();
        assert_elsewhere(&writes.header("x-api-key", &key).from("192.0.2.1").send().await, "forbidden");
        assert_eq!(app.sessions().await, 0);

        app.allow_addresses(id, &[]).await;
        assert_eq!(with(&app, "/v2/agents", &key).send().await.status, 200);
    });
}

#[test]
fn a_trusted_proxy_reports_the_address_and_others_do_not() {
    run(async {
        let app = TestApp::with(Setup { trusted_proxies: &["10.0.0.0/8"], ..Setup::default() }).await;
        let (key, _) = app.key_from(OFFICE).await;
        let status = async |peer: &str, forwarded: &str| {
            let ask = with(&app, "/v2/agents", &key).from(peer).header("x-forwarded-for", forwarded);
            ask.send().await.status.as_u16()
        };
        assert_eq!(status("10.1.1.1", "203.0.113.9").await, 200);
        assert_eq!(status("10.1.1.1", "203.0.113.9, 192.0.2.1").await, 403, "the nearest that is no proxy");
        assert_eq!(status("192.0.2.1", "203.0.113.9").await, 403, "a client that claims an address");
        assert_eq!(status("203.0.113.9", "192.0.2.1").await, 200);
    });
}

#[test]
fn an_access_token_is_bound_to_the_addresses_of_its_key() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = app.key_from(OFFICE).await;
        let body = json!({"client_id": id.to_string(), "client_secret": key}).to_string();
        let ask = || app.post("/oauth2/token", body.clone()).anonymous();
        assert_elsewhere(&ask().from("192.0.2.1").send().await, "forbidden");
        let token = ask().from("203.0.113.9").send().await.expect(200).member("access_token");
        let by_token = || app.get("/v2/agents").anonymous().header("authorization", format!("Bearer {token}"));
        assert_eq!(by_token().from("203.0.113.9").send().await.status, 200);
        assert_elsewhere(&by_token().from("192.0.2.1").send().await, "forbidden");
        app.allow_addresses(id, &["192.0.2.1"]).await;
        assert_elsewhere(&by_token().from("203.0.113.9").send().await, "forbidden");
        assert_eq!(by_token().from("192.0.2.1").send().await.status, 200);
    });
}

#[test]
fn a_key_that_a_bound_key_makes_is_bound_too() {
    run(async {
        let app = TestApp::new().await;
        let (key, _) = app.key_from(OFFICE).await;
        let made = app.post("/v1/chat/api-keys", r#"{"name":"child"}"#).anonymous();
        let made = made.header("x-api-key", &key).from("203.0.113.9").send().await.expect(201).member("key");
        assert_elsewhere(&with(&app, "/v2/agents", &made).from("192.0.2.1").send().await, "forbidden");
        assert_eq!(with(&app, "/v2/agents", &made).from("203.0.113.9").send().await.status, 200);
        // One by a key that is not bound can be used from everywhere.
        let free = app.post("/v1/chat/api-keys", r#"{"name":"free"}"#).send().await.expect(201).member("key");
        assert_eq!(with(&app, "/v2/agents", &free).send().await.status, 200);
    });
}
