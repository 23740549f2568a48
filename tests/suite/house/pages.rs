//! The house's own pages.

use http::Method;
use sessionary::build_app;
use sessionary::domain::{Clock, Mint};
use sessionary::http::RateLimiter;
use sessionary::store::{Store, StoreSettings};
use sessionary::{Deployment, auth::Gate};

use crate::support::chaos::{Chaos, Line};
use crate::support::{Setup, TestApp, database, run, start};

#[test]
fn the_service_is_alive_and_ready() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(app.get("/healthz").anonymous().send().await.expect(200).text(), "ok");
        assert_eq!(app.get("/livez").anonymous().send().await.expect(200).text(), "ok");
        assert_eq!(app.get("/readyz").anonymous().send().await.expect(200).text(), "ready");
    });
}

/// The service over a line to its database that can be cut.
async fn app_over(chaos: &Chaos) -> TestApp {
    let mut app = TestApp::new().await;
    let database = database().await.clone().with_app_through("127.0.0.1", chaos.port);
    let settings = StoreSettings { presence: std::time::Duration::ZERO, ..StoreSettings::default() };
    let store = Store::connect(&database, settings).await.expect("a store");
    let clock = Clock::manual(start());
    let gate = Gate {
        store,
        clock: clock.clone(),
        mint: Mint::system(),
        limiter: RateLimiter::new(false, clock),
        jwt: None,
        trusted_proxies: Vec::new(),
        default_org: None,
    };
    app.router = build_app(Deployment::new(gate.into(), app.conversations.clone()));
    app
}

#[test]
fn readiness_follows_the_database_there_and_back() {
    run(async {
        let chaos = Chaos::start().await;
        let app = app_over(&chaos).await;
        app.get("/readyz").send().await.expect(200);
        chaos.set(Line::Cut);
        // A connection notices that it was cut when it is next used; the pool throws it away then.
        let mut status = 0;
        for _ in 0..20 {
            status = app.get("/readyz").send().await.status.as_u16();
            if status == 503 {
                break;
            }
        }
        assert_eq!(status, 503);
        assert_eq!(app.get("/livez").send().await.expect(200).text(), "ok");
        let create = app.post("/v1/chat/chat/sessions", r#"{"agentId":"a1b2c3d4-e5f6-7890-abcd-ef1234567890"}"#);
        let refused = create.send().await.expect(503);
        assert_eq!(refused.json()["error"]["code"], "SERVICE_UNAVAILABLE");
        assert_eq!(refused.header("retry-after"), Some("1"));

        chaos.set(Line::Sound);
        let mut status = 0;
        for _ in 0..20 {
            status = app.get("/readyz").send().await.status.as_u16();
            if status == 200 {
                break;
            }
        }
        assert_eq!(status, 200);
    });
}

#[test]
fn what_is_nobodys_path_is_404() {
    run(async {
        let app = TestApp::new().await;
        for path in ["/", "/v1/elsewhere", "/openapi/other.json", "/api", "/favicon.ico"] {
            let reply = app.get(path).anonymous().send().await.expect(404);
            assert!(reply.json()["error"].as_str().is_some_and(|error| error.contains("/docs")), "{path}");
        }
    });
}

#[test]
fn the_readable_page_loads_nothing_from_elsewhere() {
    run(async {
        let app = TestApp::new().await;
        let page = app.get("/docs/").anonymous().send().await.expect(200).text();
        let script = app.get("/docs/swagger-initializer.js").anonymous().send().await.expect(200).text();
        for loaded in [&page, &script] {
            for sign in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
                assert!(!loaded.contains(sign), "{loaded}");
            }
        }
        for dialect in ["agnost", "agntix", "agent_key", "messaging", "integer_id"] {
            assert!(script.contains(&format!("/openapi/{dialect}.json")), "{dialect} is not on the page: {script}");
        }
        assert!(script.contains("\"none\""), "the page asks a validator elsewhere: {script}");
    });
}

#[test]
fn request_ids_go_in_and_out() {
    run(async {
        let app = TestApp::new().await;
        let kept = app.get("/v1/chat/chat/sessions/x").header("x-request-id", "trace-7").send().await.expect(404);
        assert_eq!(kept.header("x-request-id"), Some("trace-7"));
        assert_eq!(kept.json()["error"]["requestId"], "req_trace-7");
        let made = app.get("/v1/chat/chat/sessions/x").header("x-request-id", "no good").send().await.expect(404);
        let id = made.header("x-request-id").expect("an id");
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    });
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
