//! A complete request is executed, whatever its connection does next.
//!
//! Each route that creates or captures is sent 1,000 requests, 16 at a time, by clients that leave as soon as they have
//! written the last byte: a third closes, a third resets the connection, and a third only ends its sending side and
//! reads on. Rows are counted after the service has stopped, when all requests have ended. Images are uploaded one
//! after another, and 30 of them, because an organization may upload only a few at once.

use futures::StreamExt;
use sessionary::http::bounds::Bounds;
use sqlx::AssertSqlSafe;
use tokio::io::AsyncWriteExt;

use crate::support::agnost::{CAPTURE_EVENT, CAPTURE_SESSION};
use crate::support::wire::{Running, rest, start};
use crate::support::{
    AGENT_ID, AGENT_NUMBER, DATABASE, MESSAGING_AGENT_ID, Setup, TestApp, agent_key, agntix, connection, integer_id,
    messaging, run,
};

const REQUESTS: usize = 1_000;
const AT_ONCE: usize = 16;

/// What a client does after its request is written.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Close,
    Reset,
    HalfClose,
}

impl Leave {
    fn nth(number: usize) -> Self {
        [Self::Close, Self::Reset, Self::HalfClose][number % 3]
    }
}

/// A route, the body of its nth request, and the table in which each request creates a row.
struct Route {
    path: String,
    body: Box<dyn Fn(usize) -> String>,
    table: &'static str,
    rows_each: i64,
    responder: &'static str,
}

impl Route {
    fn json(path: impl Into<String>, table: &'static str, body: impl Fn(usize) -> String + 'static) -> Self {
        Self { path: path.into(), body: Box::new(body), table, rows_each: 1, responder: "none" }
    }
}

fn id(number: usize) -> uuid::Uuid {
    uuid::Uuid::from_u128(0xfeed_0000_0000_4000_8000_0000_0000_0000 + number as u128)
}

fn span(number: usize) -> String {
    format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{:032x}","spanId":"{:016x}","name":"s"}}]}}]}}]}}"#,
        number + 1,
        number + 1
    )
}

fn upload(number: usize) -> String {
    format!(
        "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAvatar {number}\r\n--B\r\nContent-Disposition: \
         form-data; name=\"file\"; filename=\"a.gif\"\r\nContent-Type: image/gif\r\n\r\nGIF89a and the rest\r\n--B--\r\n"
    )
}

/// Returns every route that creates or captures something.
async fn routes(app: &TestApp) -> Vec<Route> {
    let chat = agntix::create(app, "").await;
    agent_key::session(app, "hung_up", &serde_json::json!({})).await;
    let said = messaging::create(app, "").await;
    let channel = messaging::standing(app, &said).await["channelId"].as_str().expect("a channel").to_owned();
    let numbered = integer_id::start_session(app, "").await;
    vec![
        Route::json(CAPTURE_SESSION, "sessions", |n| {
            format!(r#"{{"session_id":"{}","user_data":{{"user_id":"u"}}}}"#, id(n))
        }),
        Route::json(CAPTURE_EVENT, "session_events", |n| {
            let (event, session) = (id(n), id(n % 50));
            format!(
                r#"{{"event_id":"{event}","session_id":"{session}","primitive_name":"p","args":"a","result":"r","latency":1}}"#
            )
        }),
        Route::json("/v1/traces", "session_events", span),
        Route::json("/dashboard/api/dashboard/charts", "dashboard_charts", |n| format!(r#"{{"title":"{n}"}}"#)),
        Route::json(agntix::SESSIONS, "sessions", |_| format!(r#"{{"agentId":"{AGENT_ID}"}}"#)),
        Route {
            // The dialect rejects messages without a responder, and each creates two rows.
            responder: "echo",
            rows_each: 2,
            ..Route::json(agntix::path_of(&chat, "/messages"), "session_events", |n| {
                format!(r#"{{"content":"message {n}","stream":false}}"#)
            })
        },
        Route::json(agntix::AGENTS, "agents", |n| format!(r#"{{"name":"Agent {n}"}}"#)),
        Route::json(agntix::CONTACTS, "contacts", |n| format!(r#"{{"name":"Contact {n}","externalId":"{n}"}}"#)),
        Route::json(agent_key::SESSIONS, "sessions", |n| format!(r#"{{"name":"s","key":"hung_up_{n}"}}"#)),
        Route::json(agent_key::events_of("hung_up", ""), "session_events", |n| {
            format!(r#"{{"messages":[{{"type":"text","content":"message {n}"}}]}}"#)
        }),
        Route::json(agent_key::AGENTS, "agents", |n| format!(r#"{{"name":"Agent","key":"hung_up_{n}"}}"#)),
        Route::json(messaging::SESSIONS, "sessions", |_| messaging::session_with("")),
        Route::json(messaging::path_of(&said, "/messages"), "session_events", |n| {
            format!(r#"{{"content":"message {n}"}}"#)
        }),
        Route::json("/api/messaging/submit", "session_events", move |n| {
            format!(
                r#"{{"channel_id":"{channel}","message_server_id":"{nil}","author_id":"{MESSAGING_AGENT_ID}","content":"{n}","source_type":"agent_response","raw_message":{{"text":"{n}"}}}}"#,
                nil = uuid::Uuid::nil(),
            )
        }),
        Route::json(integer_id::SESSIONS, "sessions", |_| format!(r#"{{"agent_id":{AGENT_NUMBER}}}"#)),
        Route::json(format!("{}/{numbered}/messages", integer_id::SESSIONS), "session_events", |n| {
            format!(r#"{{"content":"message {n}"}}"#)
        }),
        Route::json(integer_id::AGENTS, "agents", |n| format!(r#"{{"name":"Agent {n}"}}"#)),
        Route::json(integer_id::AVATARS, "avatars", |n| {
            format!(r#"{{"name":"Avatar {n}","url":"https://example.com/{n}.jpg"}}"#)
        }),
    ]
}

#[expect(clippy::disallowed_methods, reason = "the service has no reason to count its rows")]
async fn rows(app: &TestApp, table: &str) -> i64 {
    let mut system = connection("sessionary_system", DATABASE).await;
    let statement = AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE org_id = $1"));
    sqlx::query_scalar(statement).bind(app.org).fetch_one(&mut system).await.expect("a number")
}

/// Sends a request and leaves. Returns the response if the client stays to read it.
async fn send(running: &Running, request: &[u8], leave: Leave) -> Option<String> {
    let mut stream = running.connect().await;
    stream.write_all(request).await.expect("a request");
    match leave {
        Leave::Close => {}
        Leave::Reset => stream.set_zero_linger().expect("a socket"),
        Leave::HalfClose => {
            stream.shutdown().await.expect("the end of what is sent");
            return Some(rest(stream).await);
        }
    }
    None
}

#[test]
fn nothing_that_arrived_whole_is_lost() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for Route { path, body, table, rows_each, responder } in routes(&app).await {
            app.answered_by(responder).await;
            let before = rows(&app, table).await;
            let running = start(app.router.clone(), Bounds::default()).await;
            let sent = futures::stream::iter(0..REQUESTS).map(|number| {
                let body = body(number);
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    app.key,
                    body.len()
                );
                let running = &running;
                async move { send(running, request.as_bytes(), Leave::nth(number)).await }
            });
            let responses: Vec<Option<String>> = sent.buffer_unordered(AT_ONCE).collect().await;
            for response in responses.into_iter().flatten() {
                assert!(response.starts_with("HTTP/1.1 20"), "{path}: {response}");
            }
            running.end().await;
            assert_eq!(rows(&app, table).await - before, REQUESTS as i64 * rows_each, "{path}");
        }
    });
}

#[test]
fn an_image_that_arrived_whole_is_not_lost() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        let running = start(app.router.clone(), Bounds::default()).await;
        for number in 0..30 {
            let before = rows(&app, "avatars").await;
            let body = upload(number);
            let request = format!(
                "POST {}/upload HTTP/1.1\r\nHost: localhost\r\nx-api-key: {}\r\nContent-Type: multipart/form-data; \
                 boundary=B\r\nContent-Length: {}\r\n\r\n{body}",
                integer_id::AVATARS,
                app.key,
                body.len()
            );
            send(&running, request.as_bytes(), Leave::nth(number)).await;
            let stored = async { while rows(&app, "avatars").await == before {} };
            let stored = tokio::time::timeout(std::time::Duration::from_secs(20), stored).await;
            stored.unwrap_or_else(|_| panic!("{:?}", Leave::nth(number)));
        }
        running.end().await;
    });
}

#[test]
fn requests_behind_one_another_are_all_carried_out() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        let running = start(app.router.clone(), Bounds::default()).await;
        for leave in [Leave::Close, Leave::Reset, Leave::HalfClose] {
            let before = rows(&app, "sessions").await;
            let body = format!(r#"{{"agent_id":{AGENT_NUMBER}}}"#);
            let request = format!(
                "POST {} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                integer_id::SESSIONS,
                app.key,
                body.len()
            );
            send(&running, request.repeat(20).as_bytes(), leave).await;
            // The client sees nothing of the others, but their rows exist.
            let all = async { while rows(&app, "sessions").await - before < 20 {} };
            tokio::time::timeout(std::time::Duration::from_secs(20), all).await.unwrap_or_else(|_| panic!("{leave:?}"));
        }
        running.end().await;
    });
}

#[test]
fn connections_that_make_room_or_meet_the_end_are_served_first() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        let before = rows(&app, "sessions").await;
        let body = format!(r#"{{"agent_id":{AGENT_NUMBER}}}"#);
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            integer_id::SESSIONS,
            app.key,
            body.len()
        );
        let bounds = Bounds { max_connections: 4, max_per_client: 400, ..Bounds::default() };
        let running = start(app.router.clone(), bounds).await;
        let sent = futures::stream::iter(0..200)
            .map(|number| {
                let (running, request) = (&running, request.as_bytes());
                async move { send(running, request, [Leave::Close, Leave::Reset][number % 2]).await }
            })
            .buffer_unordered(50);
        sent.collect::<Vec<_>>().await;
        // Waiting connections are taken from the backlog.
        running.end().await;
        assert_eq!(rows(&app, "sessions").await - before, 200);
    });
}
