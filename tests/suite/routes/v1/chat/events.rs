//! `GET /v1/chat/events/stream`.

use std::time::Duration;

use axum::body::BodyDataStream;
use chrono::TimeDelta;
use futures::StreamExt;
use serde_json::{Value, json};
use sessionary::dialects::agntix::{Pace, Settings};
use sessionary::workers::retention;

use crate::support::agntix::{close, code, create, path_of, say};
use crate::support::{AGENT_ID, Ask, Setup, TestApp, admin, run, start, store, tokens};

const PATH: &str = "/v1/chat/events/stream";

/// A frame: its id, its name, its data.
#[derive(Clone, Debug, PartialEq)]
struct Frame {
    id: String,
    name: String,
    data: Value,
}

struct Listener(BodyDataStream);

impl Listener {
    /// Returns the names of the frames until the stream ends, within ten seconds.
    async fn rest(mut self) -> Vec<String> {
        let mut names = Vec::new();
        let all = async {
            while let Some(bytes) = self.0.next().await {
                let text = String::from_utf8(bytes.expect("bytes").to_vec()).expect("whole characters");
                names.extend(text.lines().filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.expect("an end");
        names
    }

    async fn from(app: &TestApp, last: Option<&str>) -> Self {
        let ask = app.get(PATH).header("accept", "text/event-stream");
        Self::to(if let Some(last) = last { ask.header("last-event-id", last) } else { ask }).await
    }

    async fn to(ask: Ask<'_>) -> Self {
        let response = ask.open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self(response.into_body().into_data_stream())
    }

    /// The next frame of any kind, within ten seconds.
    async fn any(&mut self) -> Frame {
        let bytes = tokio::time::timeout(Duration::from_secs(10), self.0.next()).await;
        let bytes = bytes.expect("a frame in time").expect("a frame").expect("bytes");
        let text = std::str::from_utf8(&bytes).expect("whole characters");
        let lines: Vec<&str> = text.split('\n').collect();
        let [id, event, data, "", ""] = lines[..] else { panic!("no frame: {text}") };
        let value = |line: &str, name: &str| line.strip_prefix(name).expect("its name").to_owned();
        let data = serde_json::from_str(&value(data, "data: ")).expect("JSON");
        Frame { id: value(id, "id: "), name: value(event, "event: "), data }
    }

    /// The next that is no heartbeat.
    async fn next(&mut self) -> Frame {
        loop {
            let frame = self.any().await;
            if frame.name != "heartbeat" {
                return frame;
            }
        }
    }
}

async fn lively() -> TestApp {
    lively_with(Setup::default()).await
}

async fn lively_with(setup: Setup) -> TestApp {
    let pace = Pace { poll: Duration::from_millis(10), heartbeat: Duration::from_millis(100) };
    TestApp::with(Setup { agntix: Settings { pace, ..Settings::default() }, ..setup }).await
}

#[test]
fn what_happens_to_a_session_is_told_by_name() {
    run(async {
        let (app, other) = (lively().await, TestApp::new().await);
        let mut listener = Listener::from(&app, None).await;
        let first = listener.any().await;
        assert_eq!((first.name.as_str(), &first.data["timestamp"]), ("heartbeat", &json!("2026-04-29T09:00:00.000Z")));

        create(&other, "").await;
        let id = create(&app, r#""metadata":{"userId":"usr_123"}"#).await;
        let started = listener.next().await;
        assert_eq!(started.name, "session.started");
        assert_eq!(started.data, app.get(&path_of(&id, "")).send().await.expect(200).json());

        let reply = say(&app, &id, "hello").await.expect(200).json();
        let (said, answered) = (listener.next().await, listener.next().await);
        assert_eq!((said.name.as_str(), answered.name.as_str()), ("message.added", "message.added"));
        assert_eq!(said.data["message"]["content"], "hello");
        assert_eq!(answered.data, json!({"sessionId": id, "message": reply}));

        close(&app, &id).await.expect(200);
        close(&app, &id).await.expect(200);
        let ended = listener.next().await;
        assert_eq!((ended.name.as_str(), &ended.data["state"]), ("session.ended", &json!("CLOSED")));
        assert_eq!(ended.data["agentId"], AGENT_ID);
        // Closing again was no other end.
        assert_eq!(listener.any().await.name, "heartbeat");
    });
}

#[test]
fn heartbeats_come_while_nothing_happens() {
    run(async {
        let app = lively().await;
        let mut listener = Listener::from(&app, None).await;
        for _ in 0..3 {
            assert_eq!(listener.any().await.name, "heartbeat");
        }
    });
}

#[test]
fn whoever_comes_back_is_told_what_they_missed_by_any_replica() {
    run(async {
        let app = lively().await;
        let mut listener = Listener::from(&app, None).await;
        let mut last = listener.any().await.id;
        drop(listener);
        let beside = app.replica(store().await.clone());
        let mut made = Vec::new();
        for turn in 0..6 {
            let app = if turn % 2 == 0 { &app } else { &beside };
            made.push(create(app, "").await);
            made.push(create(app, "").await);
            let mut listener = Listener::from(app, Some(&last)).await;
            let (one, two) = (listener.next().await, listener.next().await);
            let told = [one.data["id"].as_str().expect("an id"), two.data["id"].as_str().expect("an id")];
            assert_eq!(told, made[made.len() - 2..]);
            last = two.id;
        }
    });
}

#[test]
fn nothing_is_lost_while_many_write_at_once() {
    run(async {
        let app = lively().await;
        let mut listener = Listener::from(&app, None).await;
        let beside = app.replica(store().await.clone());
        let writes = (0..60).map(|n| {
            let app = if n % 2 == 0 { &app } else { &beside };
            async move {
                let id = create(app, "").await;
                close(app, &id).await.expect(200);
                id
            }
        });
        let heard = async {
            let (mut started, mut ended) = (Vec::new(), Vec::new());
            while started.len() < 60 || ended.len() < 60 {
                let frame = listener.next().await;
                let id = frame.data["id"].as_str().expect("an id").to_owned();
                if frame.name == "session.started" { started.push(id) } else { ended.push(id) }
            }
            (started, ended)
        };
        let (mut made, (mut started, mut ended)) = tokio::join!(futures::future::join_all(writes), heard);
        for ids in [&mut made, &mut started, &mut ended] {
            ids.sort_unstable();
        }
        assert_eq!(made, started);
        assert_eq!(made, ended);
    });
}

#[test]
fn an_id_of_another_server_begins_with_what_happens_from_now_on() {
    run(async {
        let app = lively().await;
        create(&app, "").await;
        for id in [
            "x",
            "",
            "1",
            "1-",
            "-1-0",
            "1e3-0",
            "99999999999999999999-1",
            "1-99999999999",
            "1-1-1",
            "\u{e9}",
            "evt_01j3m8xkqp8v2nw4",
            // What other servers' ids look like: ahead of all that has happened here.
            "1717171717171-0",
        ] {
            let mut listener = Listener::from(&app, Some(id)).await;
            assert_eq!(listener.any().await.name, "heartbeat", "{id}");
            let new = create(&app, "").await;
            // Earlier events may be sent as well, while other transactions are open.
            while listener.next().await.data["id"] != new.as_str() {}
        }
    });
}

#[test]
fn a_stream_needs_a_credential_and_its_scope() {
    run(async {
        let app = TestApp::new().await;
        assert_eq!(code(&app.get(PATH).anonymous().send().await.expect(401)), "UNAUTHORIZED");
        let lacking = app.key_with("sessions:read").await;
        assert_eq!(code(&app.get(PATH).anonymous().header("x-api-key", lacking).send().await.expect(403)), "FORBIDDEN");
    });
}

#[test]
fn a_day_later_what_happened_is_no_longer_told() {
    run(async {
        let app = lively().await;
        let place = Listener::from(&app, None).await.any().await.id;
        let old = create(&app, "").await;
        app.clock.advance(chrono::Duration::hours(25));
        let new = create(&app, "").await;
        assert!(retention::delete_feed(admin().await, app.clock.now()).await.expect("a sweep") >= 1);
        let told = Listener::from(&app, Some(&place)).await.next().await;
        assert_eq!(told.data["id"], new);
        assert_eq!(app.get(&path_of(&old, "")).send().await.expect(200).json()["state"], "OPEN");
    });
}

#[test]
fn a_service_that_stops_ends_its_streams() {
    run(async {
        let app = lively().await;
        let mut listener = Listener::from(&app, None).await;
        listener.any().await;
        app.stop.cancel();
        let rest = tokio::time::timeout(Duration::from_secs(10), listener.0.collect::<Vec<_>>()).await;
        assert!(rest.is_ok(), "the stream goes on");
    });
}

#[test]
fn a_revoked_key_hears_nothing_more() {
    run(async {
        let app = lively().await;
        let (key, id) = app.key_until(start() + TimeDelta::hours(1)).await;
        let mut listener = Listener::to(app.get(PATH).anonymous().header("x-api-key", key)).await;
        listener.any().await;
        admin().await.revoke_key(id, app.clock.now()).await.expect("a revocation");
        create(&app, "").await;
        assert!(listener.rest().await.iter().all(|name| name == "heartbeat"));
    });
}

#[test]
fn a_key_that_may_no_longer_be_used_from_there_hears_nothing_more() {
    run(async {
        let app = lively().await;
        let (key, id) = app.key_from(&["192.0.2.0/24"]).await;
        let ask = app.get(PATH).anonymous().header("x-api-key", key).from("192.0.2.1");
        let mut listener = Listener::to(ask).await;
        let session = create(&app, "").await;
        assert_eq!(listener.next().await.data["id"], session);
        app.allow_addresses(id, &["198.51.100.0/24"]).await;
        create(&app, "").await;
        assert!(listener.rest().await.iter().all(|name| name == "heartbeat"));
    });
}

#[test]
fn an_expired_key_hears_nothing_more() {
    run(async {
        let app = lively().await;
        let (key, _) = app.key_until(start() + TimeDelta::hours(1)).await;
        let mut listener = Listener::to(app.get(PATH).anonymous().header("x-api-key", key)).await;
        listener.any().await;
        app.clock.advance(TimeDelta::hours(1));
        create(&app, "").await;
        assert!(listener.rest().await.iter().all(|name| name == "heartbeat"));
    });
}

#[test]
fn an_expired_token_hears_nothing_more() {
    run(async {
        let app = lively_with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let ask = app.get(&format!("{PATH}?token={}", tokens::token(&app, "admin"))).anonymous();
        let mut listener = Listener::to(ask).await;
        // Still good, since clocks may differ by five seconds.
        app.clock.advance(TimeDelta::seconds(64));
        let id = create(&app, "").await;
        assert_eq!(listener.next().await.data["id"], id);
        app.clock.advance(TimeDelta::seconds(1));
        create(&app, "").await;
        assert!(listener.rest().await.iter().all(|name| name == "heartbeat"));
    });
}

#[test]
fn a_disabled_organization_hears_nothing_more() {
    run(async {
        let app = lively_with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
        let by_token = app.get(PATH).anonymous().header("authorization", tokens::bearer(&app, "admin"));
        let (mut one, mut other) = (Listener::from(&app, None).await, Listener::to(by_token).await);
        one.any().await;
        other.any().await;
        admin().await.disable_organization(app.org, app.clock.now()).await.expect("an end");
        assert!(one.rest().await.iter().all(|name| name == "heartbeat"));
        assert!(other.rest().await.iter().all(|name| name == "heartbeat"));
    });
}

#[test]
fn sessions_are_told_of_to_those_who_may_read_them() {
    run(async {
        let app = lively().await;
        let key = app.key_with("events:read").await;
        let mut listener = Listener::to(app.get(PATH).anonymous().header("x-api-key", key)).await;
        listener.any().await;
        let id = create(&app, r#""metadata":{"userId":"usr_123"}"#).await;
        say(&app, &id, "hello").await.expect(200);
        close(&app, &id).await.expect(200);
        let last = create(&app, "").await;
        say(&app, &last, "bye").await.expect(200);
        for (session, content) in [(&id, Some("hello")), (&id, None), (&last, Some("bye")), (&last, None)] {
            let told = listener.next().await;
            assert_eq!((told.name.as_str(), &told.data["sessionId"]), ("message.added", &json!(session)));
            assert!(content.is_none_or(|content| told.data["message"]["content"] == content), "{:?}", told.data);
        }
    });
}

async fn with_tokens() -> TestApp {
    TestApp::with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await
}

#[test]
fn a_browsers_token_comes_in_the_query_or_in_the_session_cookie() {
    run(async {
        let app = with_tokens().await;
        for role in ["guest", "admin"] {
            let token = tokens::token(&app, role);
            let query = app.get(&format!("{PATH}?token={token}")).anonymous();
            let cookie = app.get(PATH).anonymous().header("cookie", format!("a=b; __session={token}"));
            for ask in [query, cookie] {
                assert_eq!(Listener::to(ask).await.any().await.name, "heartbeat");
            }
        }
    });
}

#[test]
fn what_is_no_token_there_is_refused_and_nothing_falls_through() {
    run(async {
        let app = with_tokens().await;
        let good = tokens::token(&app, "admin");
        let (key, with) = (app.key.clone(), |token: &str| app.get(&format!("{PATH}?token={token}")).anonymous());
        let broken = format!("{good}x");
        let stream = || app.get(PATH).anonymous();
        for (what, ask) in [
            ("a broken token", with(&broken)),
            ("no token", with("")),
            ("an API key", with(&key)),
            ("an API key in the cookie", stream().header("cookie", format!("__session={key}"))),
            ("a broken token and a good cookie", with(&broken).header("cookie", format!("__session={good}"))),
            ("a bad key and a good token", with(&good).header("x-api-key", "pk_live_x")),
            ("a bad header and a good token", with(&good).header("authorization", format!("Bearer {broken}"))),
            ("a header of another kind", with(&good).header("authorization", "Basic YTpi")),
            ("an organization's id and a good token", with(&good).header("x-org-id", app.org.to_string())),
            ("another's cookie", stream().header("cookie", format!("__session_x={good}"))),
        ] {
            let refused = ask.send().await;
            assert_eq!(refused.status, 401, "{what}: {}", refused.text());
            assert_eq!(code(&refused), "UNAUTHORIZED", "{what}");
        }
        // Without a secret to verify tokens with, none is accepted.
        let app = TestApp::new().await;
        app.get(&format!("{PATH}?token={good}")).anonymous().send().await.expect(401);
    });
}

#[test]
fn no_other_route_looks_for_a_token_there() {
    run(async {
        let app = with_tokens().await;
        let token = tokens::token(&app, "admin");
        let mut routes = 0;
        for dialect in sessionary::domain::ApiName::ALL {
            let described = serde_json::to_value(sessionary::dialects::openapi(dialect)).expect("JSON");
            for (path, operations) in described["paths"].as_object().expect("paths") {
                if path == PATH {
                    continue;
                }
                let path: Vec<&str> =
                    path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
                let path = path.join("/");
                for method in operations.as_object().expect("operations").keys() {
                    let method: http::Method = method.to_uppercase().parse().expect("a method");
                    let plain = app.ask(method.clone(), &path).anonymous().send().await;
                    let shown = app.ask(method.clone(), &format!("{path}?token={token}")).anonymous();
                    let shown = shown.header("cookie", format!("__session={token}")).send().await;
                    assert_eq!(shown.status, plain.status, "{method} {path}");
                    routes += 1;
                }
            }
        }
        assert!(routes > 50, "{routes}");
    });
}

#[test]
fn only_configured_pages_may_send_their_cookies() {
    run(async {
        let ours = "https://app.example.com";
        let setup = Setup {
            jwt: Some(tokens::verifier()),
            cors_origins: vec![ours.parse().expect("an origin")],
            ..Setup::default()
        };
        let app = TestApp::with(setup).await;
        let cookie = format!("__session={}", tokens::token(&app, "member"));
        let from = |path: &str, origin: &str| app.get(path).anonymous().header("origin", origin);
        let heard = from(PATH, ours).header("cookie", &cookie).open().await;
        assert_eq!(heard.status(), 200);
        assert_eq!(heard.headers()["access-control-allow-origin"], ours);
        assert_eq!(heard.headers()["access-control-allow-credentials"], "true");
        for (path, origin) in [
            (PATH, "https://evil.example"),
            (PATH, "null"),
            ("/v1/chat/models", ours),
            ("/v1/chat/chat/sessions", ours),
            ("/api/v1/capture-session", "https://evil.example"),
        ] {
            let answer = from(path, origin).send().await;
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{path} {origin}");
            assert_ne!(answer.header("access-control-allow-origin"), Some("*"), "{path} {origin}");
        }
        let preflight = app.ask(http::Method::OPTIONS, PATH).anonymous().header("origin", ours);
        let preflight = preflight
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "last-event-id");
        let preflight = preflight.send().await.expect(200);
        assert_eq!(preflight.header("access-control-allow-credentials"), Some("true"));
        assert!(preflight.header("access-control-allow-headers").is_some_and(|all| all.contains("last-event-id")));
    });
}
