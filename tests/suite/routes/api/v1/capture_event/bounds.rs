//! How many bytes a capture may have, and how many a minute may have. For both capture routes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::StreamBody;
use serde_json::json;

use crate::support::agnost::{CAPTURE_EVENT, CAPTURE_SESSION, SESSION, event_with, is_envelope, stored};
use crate::support::{Setup, TestApp, run};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Captures of exactly so many bytes, by either route.
fn captures(bytes: usize) -> [(&'static str, String); 2] {
    let padded = |body: String| {
        let padding = bytes - body.len();
        body.replacen("PAD", &"x".repeat(padding + 3), 1)
    };
    let session = json!({"session_id": SESSION, "user_data": {"user_id": "u", "pad": "PAD"}}).to_string();
    [(CAPTURE_SESSION, padded(session)), (CAPTURE_EVENT, padded(event_with(json!({"args": "PAD"}))))]
}

#[test]
fn the_public_header_alone_sends_256_kib_and_a_key_2_mib() {
    run(async {
        for rate_limit in [true, false] {
            let app = TestApp::with(Setup { rate_limit, ..Setup::default() }).await;
            for (public, own, bytes) in
                [(200, 200, 256 * KIB), (413, 200, 256 * KIB + 1), (413, 200, 2 * MIB), (413, 413, 2 * MIB + 1)]
            {
                for (route, body) in captures(bytes) {
                    assert_eq!(body.len(), bytes);
                    let reply = app.post(route, body.clone()).as_org_header().send().await;
                    assert_eq!(reply.status, public, "{route} {bytes}: {}", reply.text());
                    assert!(public == 200 || is_envelope(&reply));
                    let reply = app.post(route, body).send().await;
                    assert_eq!(reply.status, own, "{route} {bytes}: {}", reply.text());
                }
            }
        }
    });
}

#[test]
fn the_public_header_alone_sends_16_mib_a_minute() {
    run(async {
        let app = TestApp::new().await;
        let send = |bytes| app.post(CAPTURE_EVENT, "x".repeat(bytes)).as_org_header().send();
        let mut sent = 0;
        let over = loop {
            let reply = send(256 * KIB).await;
            if reply.status == 429 {
                break reply;
            }
            reply.expect(400);
            sent += 1;
            assert!(sent < 1_000, "nothing stops it");
        };
        assert!(sent >= 64, "{sent}");
        assert!(is_envelope(&over), "{}", over.text());
        let seconds: u64 = over.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
        // The bytes that become available during a request are fewer than its size.
        while send(64 * KIB).await.status != 429 {}
        // All routes count together, and a body without a declared length counts as it arrives.
        let (route, body) = captures(256 * KIB)[0].clone();
        app.post(route, body).as_org_header().send().await.expect(429);
        let frames =
            futures::stream::iter((0..4).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 64 * KIB - 1]))));
        let chunked = axum::body::Body::new(StreamBody::new(futures::StreamExt::map(frames, |frame| {
            frame.map(http_body::Frame::data)
        })));
        app.post(CAPTURE_EVENT, "").as_org_header().body(chunked).send().await.expect(429);
        // Credentials, and other organizations, have limits of their own.
        app.post(CAPTURE_EVENT, event_with(json!({}))).send().await.expect(200);
        let other = TestApp::new().await;
        other.post(CAPTURE_EVENT, event_with(json!({}))).as_org_header().send().await.expect(200);
    });
}

#[test]
fn without_rate_limits_bytes_are_not_counted() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for _ in 0..80 {
            app.post(CAPTURE_EVENT, "x".repeat(256 * KIB)).as_org_header().send().await.expect(400);
        }
    });
}

/// Taking credentials out can make headers longer: to twice as much, where they have many short ones.
#[test]
fn what_grows_past_2_mib_is_413() {
    run(async {
        let app = TestApp::new().await;
        let headers = (0..110_000).map(|_| r#""cookie":1"#).collect::<Vec<_>>().join(",");
        let body =
            event_with(json!({"metadata": "HERE"})).replace(r#""HERE""#, &format!(r#"{{"headers":{{{headers}}}}}"#));
        assert!(body.len() < 2 * MIB);
        let reply = app.post(CAPTURE_EVENT, body).send().await.expect(413);
        assert!(is_envelope(&reply), "{}", reply.text());
        let body = json!({"session_id": SESSION, "user_data": {"user_id": "u"}, "metadata": "HERE"}).to_string();
        let body = body.replace(r#""HERE""#, &format!(r#"{{"headers":{{{headers}}}}}"#));
        app.post(CAPTURE_SESSION, body).send().await.expect(413);
        assert_eq!((app.sessions().await, stored(&app).await.events), (0, 0));
    });
}

/// Captures of usual size are not delayed by large ones.
#[test]
fn large_captures_at_once_are_bounded_and_small_ones_pass() {
    use sessionary::http::{LargeBodies, LargeBodyLimits, LowPriority};

    run(async {
        let limits = LargeBodyLimits { bodies_per_sender: 1, ..LargeBodyLimits::default() };
        let large_bodies = LargeBodies::new(limits, LowPriority::default());
        let app = TestApp::with(Setup { large_bodies: large_bodies.clone(), ..Setup::default() }).await;
        let first =
            futures::stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(vec![b' '; 65 * KIB])))]);
        let stalled = StreamBody::new(futures::StreamExt::chain(first, futures::stream::pending()));
        let mut waiting = Box::pin(app.post(CAPTURE_EVENT, "").body(axum::body::Body::new(stalled)).send());
        assert!(tokio::time::timeout(Duration::from_millis(300), waiting.as_mut()).await.is_err());
        let large = captures(65 * KIB)[1].1.clone();
        assert!(is_envelope(&app.post(CAPTURE_EVENT, large.clone()).send().await.expect(429)));
        app.post(CAPTURE_EVENT, captures(KIB)[1].1.clone()).send().await.expect(200);
        drop(waiting);
        assert!(large_bodies.is_idle());
        app.post(CAPTURE_EVENT, large).send().await.expect(200);
        assert!(large_bodies.is_idle());
    });
}
