//! Limits of an organization's reads: large responses are counted in all dialects.

use chrono::TimeDelta;
use serde_json::{Value, json};
use sessionary::http::ResponseLimits;

use crate::support::{Reply, Setup, TestApp, run};

const SESSION: &str = "22222222-2222-4222-8222-222222222222";
const LIMITS: ResponseLimits = ResponseLimits { bytes_per_second: 64 * 1024, burst: 256 * 1024 };

async fn app() -> TestApp {
    TestApp::with(Setup { responses: LIMITS, ..Setup::default() }).await
}

async fn capture(app: &TestApp, bytes: usize) -> Reply {
    let event = json!({
        "event_id": app.mint.uuid().to_string(), "session_id": SESSION, "primitive_name": "tool",
        "args": "x".repeat(bytes), "result": "", "latency": 1,
    });
    app.post("/api/v1/capture-event", event.to_string()).send().await
}

async fn logs(app: &TestApp) -> Reply {
    app.post("/dashboard/api/raw-logs", json!({ "time_range": "all" }).to_string()).send().await
}

#[test]
fn an_organization_that_reads_too_much_waits_and_goes_on_storing() {
    run(async {
        let (app, other) = (app().await, app().await);
        for app in [&app, &other] {
            capture(app, 300_000).await.expect(200);
        }
        // The response that exceeds the burst is still sent, because its size is known only then.
        let page = logs(&app).await.expect(200);
        assert!(page.bytes.len() > 256 * 1024, "{}", page.bytes.len());
        let over = logs(&app).await.expect(429);
        let seconds: u32 = over.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(over.json().get("error").is_some(), "{}", over.json());

        // Small reads are rejected with it, in the other dialects as well; writes and other organizations are not.
        for path in ["/v2/agents", "/api/messaging/sessions", "/v1/chat/chat/sessions", "/api/v1/agents"] {
            let rejected = app.get(path).send().await.expect(429);
            assert_eq!(rejected.header("retry-after"), over.header("retry-after"), "{path}");
            assert!(rejected.json().is_object(), "{path}: {}", rejected.json());
        }
        capture(&app, 10).await.expect(200);
        logs(&other).await.expect(200);

        app.clock.advance(TimeDelta::seconds(60));
        let again = logs(&app).await.expect(200);
        assert_eq!(again.json()["logs"].as_array().map(Vec::len), Some(2));
    });
}

#[test]
fn an_export_is_counted_while_it_is_read() {
    run(async {
        let app = app().await;
        capture(&app, 300_000).await.expect(200);
        let body = json!({ "time_range": "all" }).to_string();
        let export = app.post("/dashboard/api/raw-logs/export", body).send().await.expect(200);
        assert!(export.bytes.len() > 300_000, "{}", export.bytes.len());
        logs(&app).await.expect(429);
        app.clock.advance(TimeDelta::seconds(60));
        let page: Value = logs(&app).await.expect(200).json();
        assert_eq!(page["logs"].as_array().map(Vec::len), Some(1));
    });
}
