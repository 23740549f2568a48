//! `GET /sessionary/v1/sessions/{session_id}/events/stream`, and the reader of event streams.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::BodyDataStream;
use chrono::TimeDelta;
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use sessionary::dialects::agntix::{Pace, Settings};
use sessionary::domain::{DialectName, KeyId};

use super::across::{begin, path_of, say};
use crate::support::{Ask, Setup, TestApp, admin, agntix, run, tokens};

const TAIL: &str = "/sessionary/v1/events/stream";

/// A frame: its id, its name, its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub id: String,
    pub name: String,
    pub data: Value,
}

pub struct Listener {
    stream: BodyDataStream,
    text: String,
    frames: VecDeque<Frame>,
}

impl Listener {
    pub async fn to(ask: Ask<'_>) -> Self {
        let response = ask.header("accept", "text/event-stream").open().await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { stream: response.into_body().into_data_stream(), text: String::new(), frames: VecDeque::new() }
    }

    /// Returns the next frame that is no comment, or `None` at the end of the stream. Fails after ten seconds.
    pub async fn try_next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let bytes = tokio::time::timeout(Duration::from_secs(10), self.stream.next()).await;
            let bytes = bytes.expect("a frame in time")?.expect("bytes");
            self.text.push_str(std::str::from_utf8(&bytes).expect("whole characters"));
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let value = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                if !block.starts_with(':') {
                    let data = serde_json::from_str(value("data: ")).expect("JSON");
                    let frame = Frame { id: value("id: ").to_owned(), name: value("event: ").to_owned(), data };
                    self.frames.push_back(frame);
                }
                self.text = rest.to_owned();
            }
        }
    }

    pub async fn next(&mut self) -> Frame {
        self.try_next().await.expect("a frame")
    }

    /// Waits until a comment arrives without another frame before it.
    pub async fn is_silent(&mut self) {
        assert_eq!(self.frames, []);
        let bytes = tokio::time::timeout(Duration::from_secs(10), self.stream.next()).await;
        let bytes = bytes.expect("a comment in time").expect("a comment").expect("bytes");
        assert!(bytes.starts_with(b":"), "{bytes:?}");
    }
}

pub async fn lively() -> TestApp {
    lively_with(Setup::default()).await
}

async fn lively_with(setup: Setup) -> TestApp {
    let pace = Pace { poll: Duration::from_millis(10), heartbeat: Duration::from_millis(300) };
    TestApp::with(Setup { agntix: Settings { pace, ..Settings::default() }, ..setup }).await
}

#[test]
fn a_session_is_followed_in_every_dialect() {
    run(async {
        let (app, other) = (lively().await, TestApp::new().await);
        for dialect in DialectName::ALL {
            let id = begin(&app, dialect).await;
            say(&app, dialect, &id, "before").await;
            let path = path_of(&app, &id, "/events").await;
            let stream = format!("{path}/stream");
            let mut listener = Listener::to(app.get(&stream)).await;
            say(&app, dialect, &id, "now").await;
            let frame = loop {
                let frame = listener.next().await;
                if frame.name == "event" {
                    break frame;
                }
            };
            assert_eq!(
                (&frame.data["messages"][0]["text"], &frame.id),
                (&json!("now"), &frame.data["number"].to_string())
            );
            let listed = app.get(&path).send().await.expect(200).json();
            let listed =
                listed["data"].as_array().expect("events").iter().find(|event| event["id"] == frame.data["id"]);
            assert_eq!(Some(&frame.data), listed);

            // From the beginning, and after the first.
            let mut all = Listener::to(app.get(&format!("{stream}?after=0"))).await;
            assert_eq!(all.next().await.id, "1");
            let mut resumed = Listener::to(app.get(&stream).header("last-event-id", "1")).await;
            assert_eq!(resumed.next().await.id, "2");
            for nonsense in ["x", "-5", "99999999999999999999"] {
                let mut listener = Listener::to(app.get(&stream).header("last-event-id", nonsense)).await;
                listener.is_silent().await;
            }
            other.get(&stream).send().await.expect(404);
            app.get(&format!("{stream}?after=x")).send().await.expect(400);
        }
    });
}

#[test]
fn a_stream_reports_what_becomes_of_its_session() {
    run(async {
        let app = lively().await;
        let id = begin(&app, DialectName::Agntix).await;
        let path = path_of(&app, &id, "").await;
        let mut listener = Listener::to(app.get(&format!("{path}/events/stream"))).await;
        app.ask(Method::PATCH, &path).json(r#"{"name":"N"}"#).send().await.expect(200);
        let changed = listener.next().await;
        assert_eq!((changed.name.as_str(), &changed.data["name"]), ("session", &json!("N")));
        agntix::close(&app, &id).await.expect(200);
        let ended = listener.next().await;
        assert_eq!((ended.name.as_str(), &ended.data["state"]), ("session", &json!("ended")));
        app.ask(Method::DELETE, &path).send().await.expect(204);
        assert_eq!(listener.try_next().await, None);
    });
}

#[test]
fn a_stream_ends_with_its_credential() {
    run(async {
        let app = lively().await;
        let id = begin(&app, DialectName::IntegerId).await;
        let path = path_of(&app, &id, "/events/stream").await;
        let (key, key_id) = app.key_until(app.clock.now() + chrono::TimeDelta::hours(1)).await;
        for path in [path.as_str(), "/sessionary/v1/events/stream"] {
            let ask = app.get(path).without("x-api-key").header("x-api-key", &key);
            let _ = Listener::to(ask).await;
        }
        let ask = |path: &str| app.get(path).without("x-api-key").header("x-api-key", &key);
        let mut listeners = [Listener::to(ask(&path)).await, Listener::to(ask("/sessionary/v1/events/stream")).await];
        app.post(&format!("/v1/chat/api-keys/{}/revoke", key_id.to_agntix()), "{}").send().await;
        say(&app, DialectName::IntegerId, &id, "secret").await;
        for listener in &mut listeners {
            while let Some(frame) = listener.try_next().await {
                assert!(!frame.data.to_string().contains("secret"), "{frame:?}");
            }
        }
        let events_only = app.key_with("events:read").await;
        let mut blind = Listener::to(app.get(&path).without("x-api-key").header("x-api-key", &events_only)).await;
        say(&app, DialectName::IntegerId, &id, "hello").await;
        assert_eq!(blind.next().await.name, "event");
    });
}

/// The credential of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Key,
    Token,
    /// A token of the token endpoint of the dialect `agent_key`.
    AccessToken,
    /// A login of the console with a key.
    KeyInConsole,
    /// A login of the console with a token.
    TokenInConsole,
}

/// What ends the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Revocation,
    /// After this many seconds.
    Expiry(i64),
    Logout,
    Disabling,
}

/// Returns the headers of a credential, and the id of its key.
async fn credential(app: &TestApp, by: By) -> (Vec<(&'static str, String)>, KeyId) {
    let (key, id) = app.key_until(app.clock.now() + TimeDelta::hours(1)).await;
    let from_page = |body: Value| {
        let ask = app.ask(Method::POST, "/sessionary/v1/console/login").anonymous().header("host", "127.0.0.1:3000");
        ask.header("sec-fetch-site", "same-origin").json(body.to_string())
    };
    let login = async |body: Value| {
        let reply = from_page(body).send().await.expect(204);
        let cookie = reply.header("set-cookie").expect("a cookie").split(';').next().expect("a pair").to_owned();
        vec![("cookie", cookie), ("host", "127.0.0.1:3000".to_owned()), ("sec-fetch-site", "same-origin".to_owned())]
    };
    let headers = match by {
        By::Key => vec![("x-api-key", key)],
        By::Token => vec![("authorization", tokens::bearer(app, "admin"))],
        By::AccessToken => {
            let grant = json!({"grant_type": "client_credentials", "client_id": id.to_string(), "client_secret": key});
            let token = app.post("/oauth2/token", grant.to_string()).anonymous().send().await.expect(200);
            vec![("authorization", format!("Bearer {}", token.member("access_token")))]
        }
        By::KeyInConsole => login(json!({"key": key})).await,
        By::TokenInConsole => login(json!({"token": tokens::token(app, "admin")})).await,
    };
    (headers, id)
}

#[test]
fn a_stream_ends_however_its_credential_ends() {
    run(async {
        for (by, end) in [
            (By::Key, End::Expiry(3_600)),
            (By::Key, End::Disabling),
            // The clocks of the provider and of the service may differ by 5 seconds.
            (By::Token, End::Expiry(65)),
            (By::Token, End::Disabling),
            (By::AccessToken, End::Expiry(1_800)),
            (By::AccessToken, End::Revocation),
            (By::KeyInConsole, End::Revocation),
            (By::KeyInConsole, End::Logout),
            (By::KeyInConsole, End::Expiry(3_600)),
            (By::TokenInConsole, End::Logout),
            (By::TokenInConsole, End::Expiry(65)),
            (By::TokenInConsole, End::Disabling),
        ] {
            let app = lively_with(Setup { jwt: Some(tokens::verifier()), ..Setup::default() }).await;
            let id = begin(&app, DialectName::AgentKey).await;
            let stream = path_of(&app, &id, "/events/stream").await;
            let (headers, key) = credential(&app, by).await;
            let ask = |method: Method, path: &str| {
                headers.iter().fold(app.ask(method, path).anonymous(), |ask, (name, value)| ask.header(name, value))
            };
            let mut listeners =
                [Listener::to(ask(Method::GET, &stream)).await, Listener::to(ask(Method::GET, TAIL)).await];
            say(&app, DialectName::AgentKey, &id, "before").await;
            for listener in &mut listeners {
                assert!(listener.next().await.data.to_string().contains("before"), "{by:?} {end:?}");
            }
            match end {
                End::Revocation => drop(admin().await.revoke_key(key, app.clock.now()).await.expect("a revocation")),
                End::Expiry(seconds) => app.clock.advance(TimeDelta::seconds(seconds)),
                End::Logout => drop(ask(Method::POST, "/sessionary/v1/console/logout").send().await.expect(204)),
                End::Disabling => {
                    admin().await.disable_organization(app.org, app.clock.now()).await.expect("an end");
                }
            }
            if end != End::Disabling {
                say(&app, DialectName::AgentKey, &id, "secret").await;
            }
            for listener in &mut listeners {
                while let Some(frame) = listener.try_next().await {
                    assert!(!frame.data.to_string().contains("secret"), "{by:?} {end:?}: {frame:?}");
                }
            }
            let status = ask(Method::GET, &stream).send().await.status.as_u16();
            assert!([401, 403].contains(&status), "{by:?} {end:?}: {status}");
        }
    });
}
