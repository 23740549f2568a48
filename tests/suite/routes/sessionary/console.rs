//! The console: its pages, and its logins.

use std::time::Duration;

use chrono::TimeDelta;
use http::Method;
use serde_json::json;
use sessionary::domain::LoginSecret;
use sessionary::store::{Store, StoreSettings};

use crate::support::{Ask, Reply, Setup, TestApp, admin, database, run, start, tokens};

const LOGIN: &str = "/sessionary/v1/console/login";
const LOGOUT: &str = "/sessionary/v1/console/logout";
const ME: &str = "/sessionary/v1/me";
const LOCAL: &str = "127.0.0.1:3000";

/// Returns a request without a credential, as a browser at this machine's own address sends it.
fn from_page<'a>(app: &'a TestApp, method: Method, path: &str) -> Ask<'a> {
    app.ask(method, path).anonymous().header("host", LOCAL).header("sec-fetch-site", "same-origin")
}

async fn log_in(app: &TestApp, body: serde_json::Value) -> Reply {
    from_page(app, Method::POST, LOGIN).json(body.to_string()).send().await
}

/// Returns the cookie of a login, as a browser sends it back.
fn cookie_of(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie").expect("a cookie");
    cookie.split(';').next().expect("a pair").to_owned()
}

async fn cookie_with(app: &TestApp, key: &str) -> String {
    cookie_of(&log_in(app, json!({"key": key})).await.expect(204))
}

async fn me(app: &TestApp, cookie: &str) -> Reply {
    from_page(app, Method::GET, ME).header("cookie", cookie).send().await
}

async fn one_time_link(app: &TestApp, lasts: TimeDelta) -> LoginSecret {
    let link = LoginSecret::generate(app.org, &app.mint);
    admin().await.replace_console_link(app.org, link.hash(), start() + lasts).await.expect("a link");
    link
}

#[test]
fn a_key_becomes_a_cookie_with_the_keys_scopes() {
    run(async {
        let app = TestApp::new().await;
        let key = app.key_with("sessions:read,events:read").await;
        let reply = log_in(&app, json!({"key": key})).await.expect(204);
        let set = reply.header("set-cookie").expect("a cookie").to_owned();
        assert!(set.starts_with("sessionary_console="), "{set}");
        assert!(set.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"), "{set}");
        assert!(!set.contains(&key) && reply.bytes.is_empty());

        let shown = me(&app, &cookie_of(&reply)).await.expect(200).json();
        assert_eq!(shown["organization"]["id"], app.org.to_string());
        assert_eq!(shown["credential"]["kind"], "console");
        assert_eq!(shown["credential"]["expires_at"], "2026-04-29T21:00:00.000Z");
        assert_eq!(shown["scopes"], json!(["sessions:read", "events:read"]));

        let entries = admin().await.audit_entries(app.org, start(), None, None, 10).await.expect("entries");
        assert!(entries.iter().any(|entry| entry.action == "console.login"), "{entries:?}");
    });
}

#[test]
fn https_has_the_host_cookie_and_plain_http_none_elsewhere() {
    run(async {
        let setup = Setup { public_url: Some("https://sessions.example".parse().expect("a URL")), ..Setup::default() };
        let app = TestApp::with(setup).await;
        let body = json!({"key": app.key}).to_string();
        let login = |app, host: &'static str, body: String| {
            let ask: Ask<'_> = TestApp::ask(app, Method::POST, LOGIN);
            ask.anonymous().header("host", host).header("sec-fetch-site", "same-origin").json(body).send()
        };
        let reply = login(&app, "sessions.example", body.clone()).await.expect(204);
        let set = reply.header("set-cookie").expect("a cookie").to_owned();
        assert!(set.starts_with("__Host-sessionary=") && set.ends_with("; Secure"), "{set}");
        let ask = app.get(ME).anonymous().header("host", "sessions.example").header("cookie", cookie_of(&reply));
        ask.send().await.expect(200);
        // Neighbouring hosts can set a cookie of this name, so it is a credential on this machine only.
        let planted = cookie_of(&reply).replace("__Host-sessionary", "sessionary_console");
        let ask = app.get(ME).anonymous().header("host", "sessions.example").header("cookie", planted);
        ask.send().await.expect(401);

        let app = TestApp::new().await;
        let body = json!({"key": app.key}).to_string();
        let reply = login(&app, "sessions.example", body.clone()).await.expect(403);
        assert_eq!(reply.member("code"), "https_required");
        assert!(reply.header("set-cookie").is_none());
        login(&app, "localhost:3000", body.clone()).await.expect(204);
        // A proxy that replaces Host does not make a public page one of this machine.
        let ask = from_page(&app, Method::POST, LOGIN).header("origin", "https://sessions.example");
        assert_eq!(ask.json(body.clone()).send().await.expect(403).member("code"), "https_required");
        let ask = from_page(&app, Method::POST, LOGIN).header("origin", "http://127.0.0.1:3000");
        ask.json(body).send().await.expect(204);
    });
}

#[test]
fn invalid_logins_are_rejected() {
    run(async {
        let app = TestApp::new().await;
        for (body, status, code) in [
            (json!({"key": "pk_live_x"}), 401, "unauthenticated"),
            (json!({"token": "eyJ.x.y"}), 401, "unauthenticated"),
            (json!({"once": "x"}), 401, "unauthenticated"),
            (json!({"once": "0".repeat(96)}), 401, "unauthenticated"),
            (json!({}), 422, "invalid_body"),
            (json!({"key": app.key, "once": "x"}), 422, "invalid_body"),
            (json!({"key": 1}), 400, "invalid_json"),
            (json!([]), 400, "invalid_json"),
        ] {
            let reply = log_in(&app, body.clone()).await;
            assert_eq!((reply.status.as_u16(), reply.member("code").as_str()), (status, code), "{body}");
            assert!(reply.header("set-cookie").is_none(), "{body}");
        }
        let form = from_page(&app, Method::POST, LOGIN).header("content-type", "application/x-www-form-urlencoded");
        form.body(format!("key={}", app.key)).send().await.expect(415);
        log_in(&app, json!({"key": "x".repeat(40_000)})).await.expect(413);
        from_page(&app, Method::GET, LOGIN).send().await.expect(405);
        for cookie in ["sessionary_console=", "sessionary_console=x", "other=1"] {
            me(&app, cookie).await.expect(401);
        }
        me(&app, &format!("sessionary_console={}", "0".repeat(96))).await.expect(401);
    });
}

#[test]
fn a_login_ends_with_its_key() {
    run(async {
        let app = TestApp::new().await;
        let (key, id) = app.key_until(start() + TimeDelta::hours(1)).await;
        let cookie = cookie_with(&app, &key).await;
        let shown = me(&app, &cookie).await.expect(200).json();
        assert_eq!(shown["credential"]["expires_at"], "2026-04-29T10:00:00.000Z");
        let path = format!("/v1/chat/api-keys/{}", id.to_agntix());
        let revoked = app.ask(Method::DELETE, &path).send().await;
        assert!(revoked.status.is_success(), "{}", revoked.text());
        me(&app, &cookie).await.expect(401);

        let (key, _) = app.key_until(start() + TimeDelta::hours(1)).await;
        let cookie = cookie_with(&app, &key).await;
        app.clock.advance(TimeDelta::minutes(59));
        me(&app, &cookie).await.expect(200);
        app.clock.advance(TimeDelta::minutes(1));
        me(&app, &cookie).await.expect(401);
    });
}

#[test]
fn a_login_ends_after_twelve_hours_or_with_its_token() {
    run(async {
        let app = TestApp::new().await;
        let cookie = cookie_with(&app, &app.key.clone()).await;
        app.clock.advance(TimeDelta::hours(12) - TimeDelta::seconds(1));
        me(&app, &cookie).await.expect(200);
        app.clock.advance(TimeDelta::seconds(1));
        me(&app, &cookie).await.expect(401);

        let app = TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let token = tokens::token(&app, "member");
        let cookie = cookie_of(&log_in(&app, json!({"token": token})).await.expect(204));
        let shown = me(&app, &cookie).await.expect(200).json();
        assert_eq!(shown["credential"]["id"], "user_1");
        assert_eq!(shown["credential"]["kind"], "console");
        let scopes: Vec<&str> = shown["scopes"].as_array().expect("scopes").iter().filter_map(|s| s.as_str()).collect();
        assert!(scopes.contains(&"events:write") && !scopes.contains(&"manage"), "{scopes:?}");
        // The clocks of the provider and of the service may differ by 5 seconds.
        app.clock.advance(TimeDelta::seconds(65));
        me(&app, &cookie).await.expect(401);
    });
}

#[test]
fn keys_that_are_made_in_the_console_outlast_the_login() {
    run(async {
        let app = TestApp::new().await;
        let post = async |cookie: &str, path: &str, body: &str| {
            let ask = from_page(&app, Method::POST, path).header("cookie", cookie);
            ask.json(body.to_owned()).send().await.expect(201).json()
        };
        let keys = "/sessionary/v1/keys";
        let cookie = cookie_with(&app, &app.key).await;
        let made = post(&cookie, keys, r#"{"name":"made in the console"}"#).await;
        assert!(made["expires_at"].is_null(), "as that of the key behind the login: {made}");
        let later = r#"{"name":"a year","expires_at":"2027-04-29T09:00:00.000Z"}"#;
        assert_eq!(post(&cookie, keys, later).await["expires_at"], "2027-04-29T09:00:00.000Z");
        let rotate = format!("{keys}/{}/rotate", made["id"].as_str().expect("an id"));
        assert!(post(&cookie, &rotate, "{}").await["expires_at"].is_null());
        // The end of the key itself is a limit, as it is without the console.
        let (limited, _) = app.key_until(app.clock.now() + TimeDelta::days(3)).await;
        let made = post(&cookie_with(&app, &limited).await, keys, r#"{"name":"limited"}"#).await;
        assert_eq!(made["expires_at"], "2026-05-02T09:00:00.000Z");
    });
}

#[test]
fn logging_out_ends_the_login_and_only_that() {
    run(async {
        let app = TestApp::new().await;
        let (one, other) = (cookie_with(&app, &app.key).await, cookie_with(&app, &app.key).await);
        me(&app, &one).await.expect(200);
        let out = from_page(&app, Method::POST, LOGOUT).header("cookie", &one).send().await.expect(204);
        let cleared: Vec<_> = out.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cleared.len(), 2);
        assert!(cleared.iter().all(|cookie| cookie.to_str().expect("text").contains("Max-Age=0")));
        me(&app, &one).await.expect(401);
        me(&app, &other).await.expect(200);
        from_page(&app, Method::POST, LOGOUT).header("cookie", &one).send().await.expect(401);
        // A key has no login to end.
        app.post(LOGOUT, "").send().await.expect(204);

        let entries = admin().await.audit_entries(app.org, start(), None, None, 10).await.expect("entries");
        let count = |action: &str| entries.iter().filter(|entry| entry.action == action).count();
        assert_eq!((count("console.login"), count("console.logout")), (2, 1));
    });
}

#[test]
fn a_logout_is_seen_at_once_by_a_store_that_caches() {
    run(async {
        let settings = StoreSettings { lookup_cache: Duration::from_secs(600), ..StoreSettings::default() };
        let store = Store::connect(database().await, settings).await.expect("a store");
        let app = TestApp::with(Setup { store: Some(store), ..Setup::default() }).await;
        let cookie = cookie_with(&app, &app.key).await;
        me(&app, &cookie).await.expect(200);
        from_page(&app, Method::POST, LOGOUT).header("cookie", &cookie).send().await.expect(204);
        me(&app, &cookie).await.expect(401);
    });
}

#[test]
fn a_cookie_changes_nothing_for_other_pages() {
    run(async {
        let app = TestApp::new().await;
        let cookie = cookie_with(&app, &app.key).await;
        let from = |headers: &[(&'static str, &'static str)]| {
            let ask = app.ask(Method::POST, LOGOUT).anonymous().header("host", LOCAL).header("cookie", &cookie);
            headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
        };
        for headers in [
            &[][..],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:3000")],
            &[("origin", "http://127.0.0.1:3001")],
            &[("origin", "https://127.0.0.1:3000")],
            &[("origin", "null")],
            &[("origin", "http://evil.example")],
        ] {
            let reply = from(headers).send().await.expect(403);
            assert_eq!(reply.member("code"), "cross_site", "{headers:?}");
        }
        me(&app, &cookie).await.expect(200);
        // Another page must not log a user in either.
        let body = json!({"key": app.key}).to_string();
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")] {
            let ask = app.ask(Method::POST, LOGIN).anonymous().header("host", LOCAL).header(name, value);
            ask.json(body.clone()).send().await.expect(403);
        }
        from(&[("origin", "http://127.0.0.1:3000")]).send().await.expect(204);
    });
}

#[test]
fn a_cookie_is_no_credential_of_a_vendors_api() {
    run(async {
        let app = TestApp::new().await;
        let cookie = cookie_with(&app, &app.key).await;
        for path in ["/v1/chat/chat/sessions", "/v2/agents", "/api/messaging/sessions", "/api/v1/sessions"] {
            from_page(&app, Method::GET, path).header("cookie", &cookie).send().await.expect(401);
        }
        // A key in a header decides, also a wrong one.
        let wrong = from_page(&app, Method::GET, ME).header("cookie", &cookie).header("x-api-key", "pk_live_x");
        wrong.send().await.expect(401);
    });
}

#[test]
fn a_cookie_names_its_own_organization_only() {
    run(async {
        let (app, other) = (TestApp::new().await, TestApp::new().await);
        let cookie = cookie_with(&app, &app.key).await;
        let value = cookie.strip_prefix("sessionary_console=").expect("a cookie");
        let moved = format!("sessionary_console={}{}", other.org.0.simple(), &value[32..]);
        me(&app, &moved).await.expect(401);
    });
}

#[test]
fn a_one_time_link_works_once() {
    run(async {
        let app = TestApp::new().await;
        let link = one_time_link(&app, TimeDelta::seconds(60)).await;
        let body = json!({"once": link.expose()});
        let cookie = cookie_of(&log_in(&app, body.clone()).await.expect(204));
        let shown = me(&app, &cookie).await.expect(200).json();
        assert!(shown["scopes"].as_array().expect("scopes").contains(&json!("manage")));
        log_in(&app, body).await.expect(401);

        let link = one_time_link(&app, TimeDelta::seconds(60)).await;
        app.clock.advance(TimeDelta::seconds(60));
        log_in(&app, json!({"once": link.expose()})).await.expect(401);
        // The secret of a link is no cookie.
        me(&app, &format!("sessionary_console={}", link.expose())).await.expect(401);
    });
}

#[test]
fn an_organization_has_a_thousand_logins_at_most() {
    run(async {
        let app = TestApp::new().await;
        app.limit_to(1_000_000).await;
        let first = cookie_with(&app, &app.key).await;
        app.clock.advance(TimeDelta::seconds(1));
        for _ in 0..1_000 {
            cookie_with(&app, &app.key).await;
        }
        let last = cookie_with(&app, &app.key).await;
        me(&app, &first).await.expect(401);
        me(&app, &last).await.expect(200);
    });
}

#[test]
fn the_pages_are_served_with_their_headers() {
    run(async {
        let app = TestApp::new().await;
        let page = app.get("/console/").anonymous().send().await.expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        let policy = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
        assert_eq!(page.header("content-security-policy"), Some(policy));
        // Every address below is the same page.
        for path in ["/console/sessions", "/console/sessions/agnost_0", "/console/x/y?z=1"] {
            assert_eq!(app.get(path).anonymous().send().await.expect(200).bytes, page.bytes, "{path}");
        }

        let text = page.text();
        let script = text.split('"').find(|text| text.ends_with(".js")).expect("a script");
        let asset = app.get(script).anonymous().send().await.expect(200);
        assert_eq!(asset.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
        app.get("/console/assets/none.js").anonymous().send().await.expect(404);

        for (path, plain) in [("/console/", &page), (script, &asset)] {
            let etag = plain.header("etag").expect("an ETag");
            let again = app.get(path).anonymous().header("if-none-match", etag).send().await.expect(304);
            assert!(again.bytes.is_empty());
            let packed = app.get(path).anonymous().header("accept-encoding", "br, gzip").send().await.expect(200);
            assert_eq!(packed.header("content-encoding"), Some("gzip"));
            assert_ne!(packed.header("etag"), Some(etag));
            assert!(packed.bytes.len() < plain.bytes.len());
        }
    });
}

#[test]
fn the_root_leads_browsers_to_the_console() {
    run(async {
        let app = TestApp::new().await;
        let browser = app.get("/").anonymous().header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        assert_eq!(browser.send().await.expect(303).header("location"), Some("/console/"));
        app.get("/").anonymous().header("accept", "*/*").send().await.expect(404);
        assert_eq!(app.get("/console").anonymous().send().await.expect(308).header("location"), Some("/console/"));
    });
}
