//! The system routes.

#![allow(clippy::disallowed_methods, reason = "a look behind the scenes is SQL")]

use axum::Router;
use chrono::TimeDelta;
use http::Method;
use sessionary::build_app;
use sessionary::domain::Mint;
use sessionary::http::RateLimiter;
use sessionary::store::{Store, StoreSettings, migrate};
use sessionary::{Deployment, auth::Authenticator};

use crate::support::chaos::{Chaos, Line};
use crate::support::{Reply, TestApp, connection, database_called, database_through, run};

#[test]
fn the_service_is_alive_and_ready() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(app.get("/healthz").anonymous().send().await.expect(200).text(), "ok");
        assert_eq!(app.get("/livez").anonymous().send().await.expect(200).text(), "ok");
        assert_eq!(app.get("/readyz").anonymous().send().await.expect(200).text(), "ready");
    });
}

/// Returns the service and its store over a connection to the database that can be interrupted.
async fn app_over(chaos: &Chaos) -> (TestApp, Store) {
    let mut app = TestApp::new().await;
    let database = database_through(chaos.port).await;
    let settings = StoreSettings { lookup_cache: std::time::Duration::ZERO, ..StoreSettings::default() };
    let store = Store::connect(&database, settings).await.expect("a store");
    let clock = app.clock.clone();
    let authenticator = Authenticator {
        store: store.clone(),
        clock: clock.clone(),
        mint: Mint::system(),
        limiter: RateLimiter::new(false, clock),
        jwt: None,
        provisioning: None,
        trusted_proxies: Vec::new(),
        default_org: None,
    };
    app.router =
        Router::new().fallback_service(build_app(Deployment::new(authenticator.into(), app.conversations.clone())));
    (app, store)
}

/// Returns the next result, not the cached one.
async fn readiness(app: &TestApp) -> Reply {
    app.clock.advance(TimeDelta::seconds(1));
    app.get("/readyz").anonymous().send().await
}

#[test]
fn readiness_follows_the_database_there_and_back() {
    run(async {
        let chaos = Chaos::start().await;
        let (app, store) = app_over(&chaos).await;
        app.get("/readyz").send().await.expect(200);
        chaos.set(Line::Cut);
        // A broken connection fails when it is next used, and the pool drops it then.
        let mut status = 0;
        for _ in 0..20 {
            status = readiness(&app).await.status.as_u16();
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
            status = readiness(&app).await.status.as_u16();
            if status == 200 {
                break;
            }
        }
        assert_eq!(status, 200);
        store.close().await;
    });
}

#[test]
fn readiness_is_asked_of_the_database_once_a_second_however_many_ask() {
    run(async {
        let chaos = Chaos::start().await;
        let (app, store) = app_over(&chaos).await;
        for path in ["/readyz", "/v1/chat/health"] {
            readiness(&app).await.expect(200);
            // Waits until all connections are back in the pool.
            while store.pool_size().0 as usize != store.pool_size().1 {
                tokio::task::yield_now().await;
            }
            // A result is valid for a second, whatever happens meanwhile.
            chaos.set(Line::Silent);
            app.clock.advance(TimeDelta::milliseconds(999));
            for _ in 0..100 {
                app.get(path).anonymous().send().await.expect(200);
            }
            // Then one request checks, and the others wait for its result.
            app.clock.advance(TimeDelta::milliseconds(1));
            let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(app.get(path).anonymous().send())).collect();
            for waiting in &mut waiting {
                assert!(futures::future::poll_immediate(waiting).await.is_none());
            }
            let (open, idle) = store.pool_size();
            assert_eq!(open as usize - idle, 1, "connections that ask");
            chaos.set(Line::Sound);
            for reply in futures::future::join_all(waiting).await {
                reply.expect(200);
            }
        }
        store.close().await;
    });
}

#[test]
fn a_database_that_takes_no_writes_is_not_ready() {
    run(async {
        let name = "takes_no_writes";
        let database = database_called(name).await;
        let mut superuser = connection("postgres", "postgres").await;
        let mut execute = async |statement: String| {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut superuser).await.expect("a statement");
        };
        execute(format!("CREATE DATABASE {name}")).await;
        migrate(&database).await.expect("an up-to-date database");
        let store = Store::connect(&database, StoreSettings::default()).await.expect("a store");
        let app = TestApp::new().await.replica(store.clone());
        readiness(&app).await.expect(200);
        for (setting, status, text) in [("on", 503, "the database takes no writes"), ("off", 200, "ready")] {
            execute(format!("ALTER DATABASE {name} SET default_transaction_read_only = {setting}")).await;
            let ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname";
            execute(format!("{ended} = '{name}'")).await;
            // The first use of an ended connection fails.
            let mut reply = readiness(&app).await;
            while reply.text() == "the database cannot be reached" {
                reply = readiness(&app).await;
            }
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, text));
        }
        store.close().await;
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
fn nothing_private_is_stored_and_no_page_is_framed() {
    run(async {
        let app = TestApp::new().await;
        let no_store = [
            "/healthz",
            "/livez",
            "/readyz",
            "/v1/chat/chat/sessions",
            "/v1/chat/chat/sessions/absent",
            "/v1/chat/health",
            "/v2/agents",
            "/api/v1/sessions",
            "/api/v1/avatars/images/absent",
            "/api/messaging/sessions",
            "/dashboard/api/raw-logs/count",
            "/nowhere",
        ];
        for path in no_store {
            for ask in [app.get(path), app.get(path).anonymous(), app.ask(Method::OPTIONS, path)] {
                let reply = ask.send().await;
                assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}: {}", reply.status);
                assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}: {}", reply.status);
            }
        }
        let pages = ["/docs", "/docs/", "/docs/swagger-initializer.js", "/docs/swagger-ui.css", "/openapi/agnost.json"];
        for path in pages {
            let reply = app.get(path).anonymous().send().await;
            assert!(reply.status.is_success() || reply.status.is_redirection(), "{path}: {}", reply.status);
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{path}");
            assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{path}");
            let policy = reply.header("content-security-policy").expect("a policy").to_owned();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("script-src 'self' 'unsafe"), "{policy}");
        }
    });
}

/// The policy of the page allows no inline scripts, so there must be none.
#[test]
fn the_readable_page_needs_no_more_than_its_policy_allows() {
    run(async {
        let app = TestApp::new().await;
        let page = app.get("/docs/").anonymous().send().await.expect(200).text();
        for script in page.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').expect("a tag");
            let inline = rest.split("</script>").next().expect("a script").trim();
            assert!(tag.contains("src=") && inline.is_empty(), "{script}");
        }
        assert!(!page.contains("<style") && !page.contains(" on"), "{page}");
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
