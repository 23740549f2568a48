//! The bytes that organizations store are counted, and limited by their own quota or the deployment's.

use std::num::NonZeroU64;

use chrono::TimeDelta;
use http::Method;

use crate::support::messaging::{create_timed, path_of};
use crate::support::{AGENT_ID, MESSAGING_AGENT_ID, TestApp, admin, run, store};

async fn stored(app: &TestApp) -> i64 {
    store().await.flush_storage().await.expect("counts");
    admin().await.organization_details(app.org).await.expect("the organization").stored_bytes
}

async fn set_quota(app: &TestApp, quota: Option<u64>) {
    admin().await.set_storage_quota(app.org, quota.and_then(NonZeroU64::new)).await.expect("a quota");
}

fn event(id: &str, args: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","session_id":"22222222-2222-4222-8222-222222222222","primitive_name":"a","args":"{args}","result":"","latency":1}}"#
    )
}

#[test]
fn what_is_written_counts_once_however_often_it_is_sent() {
    run(async {
        let app = TestApp::new().await;
        let body = event("11111111-1111-4111-8111-111111111111", &"x".repeat(10_000));
        assert_eq!(app.post("/api/v1/capture-event", body.clone()).send().await.status, 200);
        let once = stored(&app).await;
        assert!((10_000..40_000).contains(&once), "{once}");
        for _ in 0..3 {
            assert_eq!(app.post("/api/v1/capture-event", body.clone()).send().await.status, 200);
        }
        assert_eq!(stored(&app).await, once);
        assert_eq!(app.post("/dashboard/api/raw-logs", "{}").send().await.status, 200);
        assert_eq!(stored(&app).await, once);
    });
}

#[test]
fn a_full_organization_reads_and_deletes_and_adds_nothing() {
    run(async {
        let app = TestApp::new().await;
        let create = format!(r#"{{"agentId":"{AGENT_ID}","metadata":{{"userId":"u"}}}}"#);
        let session = app.post("/v1/chat/chat/sessions", create.clone()).send().await.expect(201).member("id");
        assert!(stored(&app).await > 0);
        set_quota(&app, Some(1)).await;

        let messaging = format!(r#"{{"agentId":"{MESSAGING_AGENT_ID}","userId":"{AGENT_ID}"}}"#);
        for (path, body, words) in [
            ("/api/v1/capture-event", event("11111111-1111-4111-8111-111111111111", "x"), "Storage quota exceeded"),
            ("/v1/chat/chat/sessions", create.clone(), "STORAGE_QUOTA_EXCEEDED"),
            ("/v2/agents/customer_support/sessions", r#"{"name":"s"}"#.to_owned(), "storage_quota_exceeded"),
            ("/api/messaging/sessions", messaging, "STORAGE_QUOTA_EXCEEDED"),
            ("/api/v1/sessions", r#"{"agent_id":123}"#.to_owned(), "Storage quota exceeded"),
            ("/v1/chat/contacts", r#"{"name":"Ann","email":"a@example.com"}"#.to_owned(), "STORAGE_QUOTA_EXCEEDED"),
            ("/v2/agents", r#"{"name":"Another"}"#.to_owned(), "storage_quota_exceeded"),
        ] {
            let reply = app.post(path, body).send().await;
            assert_eq!(reply.status, 403, "{path}: {}", reply.text());
            assert!(reply.text().contains(words), "{path}: {}", reply.text());
        }
        let message = format!("/v1/chat/chat/sessions/{session}/messages");
        assert_eq!(app.post(&message, r#"{"content":"hello"}"#).send().await.status, 403);

        let path = format!("/v1/chat/chat/sessions/{session}");
        assert_eq!(app.get(&path).send().await.status, 200);
        assert_eq!(app.ask(Method::PATCH, &format!("{path}/close")).send().await.status, 200);

        // Other organizations are not affected, and the quota can be raised.
        let other = TestApp::new().await;
        assert_eq!(other.post("/v1/chat/chat/sessions", create.clone()).send().await.status, 201);
        set_quota(&app, None).await;
        assert_eq!(app.post("/v1/chat/chat/sessions", create).send().await.status, 201);
    });
}

/// What is wrong with a session is reported before the quota, and an expiry by the first request that meets it.
#[test]
fn a_full_organization_is_told_of_an_expired_session_first() {
    run(async {
        let app = TestApp::new().await;
        let id = create_timed(&app, r#""timeoutMinutes":5,"autoRenew":false"#).await;
        let send = async || app.post(&path_of(&id, "/messages"), r#"{"content":"hello"}"#).send().await.status;
        assert_eq!(send().await, 201);
        assert!(stored(&app).await > 0);
        set_quota(&app, Some(1)).await;
        assert_eq!(send().await, 403);
        app.clock.advance(TimeDelta::minutes(6));
        assert_eq!([send().await, send().await], [410, 404]);
        set_quota(&app, None).await;
        assert_eq!(send().await, 404);
    });
}

/// A change in place could otherwise store what the quota rejects: a small session, contact or agent made large.
#[test]
fn a_full_organization_makes_nothing_longer_and_anything_shorter() {
    run(async {
        let app = TestApp::new().await;
        let long = "x".repeat(2_000);
        let created = app.post("/v2/agents/customer_support/sessions", r#"{"name":"s","key":"quota"}"#).send().await;
        assert_eq!(created.status, 201, "{}", created.text());
        let contact = app.post("/v1/chat/contacts", r#"{"name":"Ann"}"#).send().await.expect(201).member("id");
        let agent = app.post("/v2/agents", r#"{"name":"Another"}"#).send().await.expect(201).member("key");
        let before = stored(&app).await;
        set_quota(&app, Some(1)).await;

        let session = "/v2/agents/customer_support/sessions/quota".to_owned();
        let contact = format!("/v1/chat/contacts/{contact}");
        let agent = format!("/v2/agents/{agent}");
        let patch = |path: &str, body: String| app.ask(Method::PATCH, path).json(body);
        for (path, longer) in [
            (&session, format!(r#"{{"metadata":{{"note":"{long}"}}}}"#)),
            (&session, format!(r#"{{"description":"{}"}}"#, &long[..500])),
            (&contact, format!(r#"{{"metadata":{{"note":"{long}"}}}}"#)),
            (&agent, format!(r#"{{"description":"{}"}}"#, &long[..500])),
        ] {
            let reply = patch(path, longer).send().await;
            assert_eq!(reply.status, 403, "{path}: {}", reply.text());
        }
        let read = app.get(&session).send().await.expect(200);
        assert_eq!((read.json()["name"].as_str(), &read.json()["metadata"]), (Some("s"), &serde_json::json!({})));
        // What is not longer is changed, and what is no text.
        for (path, body) in [
            (&session, r#"{"name":"t"}"#),
            (&session, r#"{"tti_minutes":30}"#),
            (&session, r#"{"enabled":false}"#),
            (&agent, r#"{"enabled":false}"#),
        ] {
            let reply = patch(path, body.to_owned()).send().await;
            assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
        }
        assert_eq!(stored(&app).await, before);

        set_quota(&app, None).await;
        let reply = patch(&session, format!(r#"{{"metadata":{{"note":"{long}"}}}}"#)).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!((2_000..2_100).contains(&(stored(&app).await - before)));
    });
}
