//! The web pages that may call, their request headers, and the response headers that they may read.

use http::Method;
use sessionary::domain::DialectName;

use crate::support::{Setup, TestApp, run};

/// Pages of this origin may call every route.
const OURS: &str = "https://app.example.com";

async fn app() -> TestApp {
    let cors_origins = vec![OURS.parse().expect("an origin")];
    TestApp::with(Setup { cors_origins, rate_limit: true, default_org: true, ..Setup::default() }).await
}

#[test]
fn any_page_may_capture_and_only_configured_ones_may_do_the_rest() {
    run(async {
        let cors_origins = vec!["https://app.example.com".parse().expect("an origin")];
        let app = TestApp::with(Setup { cors_origins, ..Setup::default() }).await;
        let preflight = |path: &'static str, origin: &'static str| {
            app.ask(Method::OPTIONS, path)
                .anonymous()
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type, x-org-id")
        };
        let capture = preflight("/api/v1/capture-session", "https://anywhere.example").send().await.expect(200);
        assert_eq!(capture.header("access-control-allow-origin"), Some("https://anywhere.example"));
        let dashboard = preflight("/dashboard/api/event-io", "https://anywhere.example").send().await;
        assert_eq!(dashboard.header("access-control-allow-origin"), None);
        assert!(capture.header("access-control-allow-headers").is_some_and(|headers| headers.contains("x-org-id")));
        let ours = preflight("/api/v1/sessions", "https://app.example.com").send().await.expect(200);
        assert_eq!(ours.header("access-control-allow-origin"), Some("https://app.example.com"));
        let theirs = preflight("/api/v1/sessions", "https://anywhere.example").send().await.expect(200);
        assert_eq!(theirs.header("access-control-allow-origin"), None);
    });
}

/// What browsers' tracing tools add to the requests of a page, by the tools' own documentation.
const TRACING: [&str; 12] = [
    // W3C Trace Context and Baggage: OpenTelemetry, Grafana Faro, Azure's Application Insights.
    "traceparent,tracestate,baggage",
    "request-id,request-context",
    // Sentry.
    "sentry-trace,baggage",
    // Datadog.
    "x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id",
    // Zipkin.
    "b3",
    "x-b3-traceid,x-b3-spanid,x-b3-parentspanid,x-b3-sampled,x-b3-flags",
    // New Relic.
    "newrelic,traceparent,tracestate",
    // Elastic.
    "elastic-apm-traceparent,traceparent,tracestate",
    // AWS.
    "x-amzn-trace-id",
    // Jaeger, Google Cloud, Instana.
    "uber-trace-id",
    "x-cloud-trace-context",
    "x-instana-t,x-instana-s,x-instana-l",
];

#[test]
fn a_page_that_is_traced_may_capture() {
    run(async {
        let app = app().await;
        let paths = ["/api/v1/capture-session", "/api/v1/capture-event", "/v1/traces"];
        let public = paths.map(|path| (path, "https://shop.example"));
        for (path, origin) in public.into_iter().chain([("/api/v1/sessions", OURS), ("/v1/chat/chat/sessions", OURS)]) {
            for added in TRACING {
                let asked = format!("content-type,x-org-id,{added}");
                let preflight = app.ask(Method::OPTIONS, path).anonymous().header("origin", origin);
                let preflight = preflight
                    .header("access-control-request-method", "POST")
                    .header("access-control-request-headers", &asked);
                let reply = preflight.send().await.expect(200);
                assert_eq!(reply.header("access-control-allow-origin"), Some(origin), "{path}");
                let allowed: Vec<&str> =
                    reply.header("access-control-allow-headers").unwrap_or_default().split(',').collect();
                for name in asked.split(',') {
                    assert!(allowed.contains(&name), "{path}: {name} is not among {allowed:?}");
                }
            }
        }
    });
}

/// Headers that a page may always read, and those for the browser only.
const READABLE_OR_NOT_OURS: [&str; 12] = [
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "last-modified",
    "vary",
    "x-content-type-options",
];

#[test]
fn a_page_may_read_every_header_that_a_client_may() {
    run(async {
        let app = app().await;
        let mut seen = Vec::new();
        for (dialect, path) in [
            (DialectName::Agnost, "/dashboard/api/organizations"),
            (DialectName::Agntix, "/v1/chat/chat/sessions"),
            (DialectName::Agntix, "/v1/chat/chat/sessions/download/csv"),
            (DialectName::AgentKey, "/v2/agents"),
            (DialectName::Messaging, "/api/messaging/sessions"),
            (DialectName::IntegerId, "/api/v1/sessions"),
            (DialectName::IntegerId, "/api/v1/avatars"),
        ] {
            let reply = app.get(path).header("origin", OURS).send().await;
            let exposed = reply.header("access-control-expose-headers").unwrap_or_default().to_owned();
            let exposed: Vec<&str> = exposed.split(',').collect();
            for name in reply.headers.keys().map(http::HeaderName::as_str) {
                let is_readable = READABLE_OR_NOT_OURS.contains(&name) || exposed.contains(&name);
                assert!(is_readable, "{} {path}: {name} is not among {exposed:?}", dialect.as_str());
                seen.push(name.to_owned());
            }
            assert!(exposed.contains(&"retry-after") && exposed.contains(&"x-request-id"));
        }
        for name in
            ["x-request-id", "x-ratelimit-limit", "ratelimit-remaining", "ratelimit-policy", "content-disposition"]
        {
            assert!(seen.iter().any(|seen| seen == name), "no response had {name}");
        }
    });
}
