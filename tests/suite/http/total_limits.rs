//! The limits of all credentials of an organization together.

use crate::support::{Reply, TestApp, run};

/// Sends a read with a key, from one address.
async fn read(app: &TestApp, key: &str, path: &str) -> Reply {
    app.get(path).anonymous().header("x-api-key", key).from("192.0.2.1").send().await
}

const AGNTIX: &str = "/v1/chat/chat/sessions";

#[test]
fn more_keys_do_not_multiply_the_limit() {
    run(async {
        let app = TestApp::new().await;
        app.limit_all_to(6).await;
        let (first, second, third) =
            (app.key_with("sessions:read").await, app.key_with("sessions:read").await, app.key_with("capture").await);
        for remaining in ["5", "4", "3"] {
            let reply = read(&app, &first, AGNTIX).await.expect(200);
            assert_eq!(reply.header("x-ratelimit-limit"), Some("6"), "the smaller of the two");
            assert_eq!(reply.header("x-ratelimit-remaining"), Some(remaining));
        }
        for remaining in ["2", "1", "0"] {
            let reply = read(&app, &second, AGNTIX).await.expect(200);
            assert_eq!(reply.header("x-ratelimit-remaining"), Some(remaining));
        }
        for key in [&first, &second] {
            let over = read(&app, key, AGNTIX).await.expect(429);
            assert_eq!(over.header("x-ratelimit-remaining"), Some("0"));
            let wait: i64 = over.header("retry-after").expect("a wait").parse().expect("seconds");
            assert!((1..=10).contains(&wait), "{wait}");
            let reset: i64 = over.header("x-ratelimit-reset").expect("a time").parse().expect("seconds");
            assert_eq!(reset, crate::support::start().timestamp() + wait, "by the service's clock");
        }
        // Captures have a limit of their own, and other organizations have theirs.
        let body = r#"{"session_id":"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731","user_data":{"user_id":"u"}}"#;
        let capture = app.post("/api/v1/capture-session", body).anonymous().header("x-api-key", &third);
        assert_eq!(capture.send().await.status, 200);
        let other = TestApp::new().await;
        assert_eq!(read(&other, &other.key, AGNTIX).await.status, 200);
    });
}

#[test]
fn an_access_token_counts_as_its_organization() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = app.key_until(crate::support::start() + chrono::TimeDelta::days(1)).await;
        app.limit_all_to(1).await;
        let body = serde_json::json!({"client_id": id.to_string(), "client_secret": key}).to_string();
        assert_eq!(app.post("/oauth2/token", body.clone()).anonymous().send().await.status, 200);
        assert_eq!(app.post("/oauth2/token", body).anonymous().send().await.status, 429);
        assert_eq!(app.post("/v1/chat/contacts", r#"{"name":"Ann"}"#).send().await.status, 429, "another key");
    });
}

#[test]
fn callers_without_a_credential_of_their_own_use_up_nothing_of_it() {
    run(async {
        let app = TestApp::new().await;
        app.limit_all_to(2).await;
        let body = r#"{"session_id":"a3f9c182-7d4e-4b6a-9e21-c5d8f0b4e731","user_data":{"user_id":"u"}}"#;
        for _ in 0..5 {
            let reply = app.post("/api/v1/capture-session", body).as_org_header().from("192.0.2.1").send().await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        for status in [200, 200, 429] {
            assert_eq!(app.post("/api/v1/capture-session", body).send().await.status, status);
        }
        assert_eq!(
            app.post("/api/v1/capture-session", body).as_org_header().from("192.0.2.1").send().await.status,
            200
        );
    });
}
