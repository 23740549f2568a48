//! Bodies that are compressed, or begin with a byte order mark, on every route with a body.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::Method;
use serde_json::json;
use sessionary::http::{LargeBodies, LargeBodyLimits, LowPriority};

use crate::support::agnost::{CAPTURE_EVENT, CAPTURE_SESSION, SESSION, event_with};
use crate::support::{AGENT_ID, AGENT_NUMBER, Reply, Setup, TestApp, agent_key, agntix, integer_id, messaging, run};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("bytes")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("bytes")
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("bytes")
}

/// A route with a body that it accepts.
struct Taken {
    method: Method,
    path: String,
    content_type: &'static str,
    body: String,
}

impl Taken {
    fn json(method: Method, path: impl Into<String>, body: impl Into<String>) -> Self {
        Self { method, path: path.into(), content_type: "application/json", body: body.into() }
    }

    async fn send(&self, app: &TestApp, encoding: &str, body: Vec<u8>) -> Reply {
        let ask = app.ask(self.method.clone(), &self.path).header("content-type", self.content_type).body(body);
        let ask = ask.header("host", integer_id::HOST);
        if encoding.is_empty() { ask.send().await } else { ask.header("content-encoding", encoding).send().await }
    }
}

/// Returns one route for each way in which bodies are read, in every dialect.
async fn routes(app: &TestApp) -> Vec<Taken> {
    let chat = agntix::create(app, "").await;
    agent_key::session(app, "packed", &json!({})).await;
    let said = messaging::create(app, "").await;
    let numbered = integer_id::start_session(app, "").await;
    let post = |path: &str, body: String| Taken::json(Method::POST, path, body);
    vec![
        post(CAPTURE_SESSION, format!(r#"{{"session_id":"{SESSION}","user_data":{{"user_id":"u"}}}}"#)),
        post(CAPTURE_EVENT, event_with(json!({}))),
        post("/v1/traces", "{\"resourceSpans\":[]}".to_owned()),
        post("/dashboard/api/raw-logs", "{}".to_owned()),
        post(agntix::SESSIONS, format!(r#"{{"agentId":"{AGENT_ID}"}}"#)),
        post(&agntix::path_of(&chat, "/messages"), r#"{"content":"hello","stream":false}"#.to_owned()),
        Taken::json(Method::PATCH, agntix::path_of(&chat, "/close"), r#"{"reason":"done"}"#),
        post(agent_key::SESSIONS, r#"{"name":"s"}"#.to_owned()),
        post(&agent_key::events_of("packed", ""), r#"{"messages":[{"type":"text","content":"hello"}]}"#.to_owned()),
        Taken {
            method: Method::POST,
            path: agent_key::events_of("packed", ""),
            content_type: "multipart/form-data; boundary=B",
            body: "--B\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhello\r\n--B--\r\n".to_owned(),
        },
        Taken::json(Method::PATCH, format!("{}/packed", agent_key::SESSIONS), r#"{"name":"other"}"#),
        post(messaging::SESSIONS, messaging::session_with("")),
        post(&messaging::path_of(&said, "/messages"), r#"{"content":"hello"}"#.to_owned()),
        Taken::json(Method::PATCH, messaging::path_of(&said, "/timeout"), r#"{"timeoutMinutes":60}"#),
        post(integer_id::SESSIONS, format!(r#"{{"agent_id":{AGENT_NUMBER}}}"#)),
        Taken {
            method: Method::POST,
            path: format!("{}/upload", integer_id::AVATARS),
            content_type: "multipart/form-data; boundary=B",
            body: "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\na\r\n--B\r\nContent-Disposition: form-data; \
                   name=\"file\"; filename=\"a.gif\"\r\n\r\nGIF89a and the rest\r\n--B--\r\n"
                .to_owned(),
        },
        Taken::json(Method::PUT, format!("{}/{numbered}/end", integer_id::SESSIONS), r#"{"duration":7}"#),
    ]
}

#[test]
fn packed_bodies_are_taken_everywhere() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for taken in routes(&app).await {
            let plain = taken.body.as_bytes();
            for (encoding, body) in [
                ("gzip", gzip(plain)),
                ("GZIP", gzip(plain)),
                ("x-gzip", gzip(plain)),
                ("gzip", [gzip(&plain[..1]), gzip(&plain[1..])].concat()),
                ("deflate", zlib(plain)),
                ("deflate", deflate(plain)),
                ("identity", plain.to_vec()),
                ("", plain.to_vec()),
            ] {
                let reply = taken.send(&app, encoding, body).await;
                // The session may be closed by an earlier one of these; the test is that the body was read.
                assert!(
                    reply.status.is_success() || reply.status == 409,
                    "{} {encoding}: {}",
                    taken.path,
                    reply.text()
                );
            }
        }
    });
}

#[test]
fn other_packings_are_415_and_say_what_is_taken() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for taken in routes(&app).await {
            for encoding in ["br", "zstd", "compress", "gzip, gzip", "deflate,gzip", "x", "\u{e9}"] {
                let reply = taken.send(&app, encoding, taken.body.clone().into_bytes()).await;
                assert_eq!(reply.status, 415, "{} {encoding}: {}", taken.path, reply.text());
                assert_eq!(reply.header("accept-encoding"), Some("gzip, deflate"), "{}", taken.path);
            }
            // Without a body nothing can be compressed.
            let reply = taken.send(&app, "br", Vec::new()).await;
            assert_ne!(reply.status, 415, "{}", taken.path);
            assert_eq!(reply.header("accept-encoding"), None, "{}", taken.path);
        }
        let form =
            app.ask(Method::POST, messaging::SESSIONS).header("content-type", "text/plain").body("x").send().await;
        assert_eq!(form.header("accept-encoding"), None, "another type is no other packing");
    });
}

/// In the text, for users, and in `Accept`, for programs (RFC 9110, section 15.5.16).
#[test]
fn other_types_are_415_and_say_what_is_taken() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for taken in routes(&app).await {
            if taken.path.ends_with("/upload") {
                continue; // The vendor's own error is 400: "No file uploaded".
            }
            let is_otlp = taken.path.starts_with("/v1/traces");
            let accepted = match () {
                () if is_otlp => vec!["application/x-protobuf", "application/json"],
                () if taken.path.ends_with("/events") => vec!["application/json", "multipart/form-data"],
                () => vec!["application/json"],
            };
            for wrong in ["text/plain", "application/xml", "application/json; charset=utf-16", ""] {
                let mut ask = app.ask(taken.method.clone(), &taken.path).body(taken.body.clone());
                if !wrong.is_empty() {
                    ask = ask.header("content-type", wrong);
                }
                let reply = ask.send().await;
                if is_otlp && wrong.starts_with("application/json") {
                    continue;
                }
                let header = reply.header("accept").unwrap_or_default().to_owned();
                let is_messaging = taken.path.starts_with("/api/messaging");
                // ElizaOS's server has its own error for a missing type.
                let statuses: &[u16] = if is_messaging { &[400, 415] } else { &[415] };
                assert!(statuses.contains(&reply.status.as_u16()), "{} {wrong}: {}", taken.path, reply.text());
                let named = if wrong.contains("charset") { &accepted[..1] } else { &accepted[..] };
                for kind in named {
                    assert!(header.contains(kind), "{} {wrong}: {kind} is not in {header}", taken.path);
                    let text = reply.text();
                    assert!(reply.status == 400 || text.contains(kind), "{} {wrong}: {text}", taken.path);
                }
            }
        }
    });
}

#[test]
fn what_is_not_packed_as_it_says_is_400() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for taken in routes(&app).await {
            let plain = taken.body.as_bytes();
            let (gz, zl) = (gzip(plain), zlib(plain));
            for (encoding, body) in [
                ("gzip", plain.to_vec()),
                ("deflate", [&[0xff], plain].concat()),
                ("gzip", gz[..gz.len() - 3].to_vec()),
                ("gzip", gz[..5].to_vec()),
                ("gzip", [&gz[..], b"x"].concat()),
                ("deflate", zl[..zl.len() - 5].to_vec()),
                // Empty blocks, one after another.
                ("deflate", [0, 0, 0, 0xff, 0xff].repeat(100_000)),
            ] {
                let reply = taken.send(&app, encoding, body).await;
                assert_eq!(reply.status, 400, "{} {encoding}: {}", taken.path, reply.text());
            }
        }
    });
}

#[test]
fn a_body_that_unpacks_to_too_much_is_413_and_costs_its_sender_alone() {
    run(async {
        let large_bodies = LargeBodies::default();
        let setup = Setup { rate_limit: false, large_bodies: large_bodies.clone(), ..Setup::default() };
        let app = TestApp::with(setup).await;
        let post = |body: Vec<u8>| {
            let ask = app.ask(Method::POST, integer_id::SESSIONS).header("content-type", "application/json");
            ask.header("content-encoding", "gzip").body(body).send()
        };
        // More than a hundred times the compressed size, but less than the limit of a body.
        let spaces = |count: usize| format!(r#"{{"agent_id":{AGENT_NUMBER},"unknown":"{}"}}"#, " ".repeat(count));
        post(gzip(spaces(1_000_000).as_bytes())).await.expect(413);
        // More than the limit of a body, of text that compresses badly.
        let mut noise = 1u64;
        let text: String = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + (noise >> 59) as u8 % 26)
        })
        .take(2 * 1024 * 1024)
        .collect();
        post(gzip(format!(r#"{{"agent_id":{AGENT_NUMBER},"unknown":"{text}"}}"#).as_bytes())).await.expect(413);
        // A small compressed body counts by its decompressed size.
        post(gzip(spaces(200_000).as_bytes())).await.expect(201);
        assert!(large_bodies.is_idle());

        let limits = LargeBodyLimits { bytes_per_sender: 100 * 1024, ..LargeBodyLimits::default() };
        let small =
            TestApp::with(Setup { large_bodies: LargeBodies::new(limits, LowPriority::default()), ..Setup::default() })
                .await;
        let ask = small.ask(Method::POST, integer_id::SESSIONS).header("content-type", "application/json");
        ask.header("content-encoding", "gzip").body(gzip(spaces(200_000).as_bytes())).send().await.expect(429);
    });
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_body() {
    run(async {
        let app = TestApp::with(Setup { rate_limit: false, ..Setup::default() }).await;
        for taken in routes(&app).await {
            if taken.content_type != "application/json" {
                continue;
            }
            let marked = format!("\u{feff}{}", taken.body);
            let reply = taken.send(&app, "", marked.clone().into_bytes()).await;
            assert!(reply.status.is_success() || reply.status == 409, "{}: {}", taken.path, reply.text());
            let reply = taken.send(&app, "gzip", gzip(marked.as_bytes())).await;
            assert!(reply.status.is_success() || reply.status == 409, "{}: {}", taken.path, reply.text());
        }
        // Two of them are one too many, and so is one in another position.
        for body in ["\u{feff}\u{feff}{}", "{}\u{feff}"] {
            app.post(integer_id::SESSIONS, body).send().await.expect(400);
        }
        // A mark alone is an empty body where that is allowed.
        let number = integer_id::start_session(&app, "").await;
        integer_id::end_session(&app, number, "\u{feff}").await.expect(200);
    });
}

#[test]
fn the_same_request_packed_is_the_same_under_its_key() {
    run(async {
        let app = TestApp::new().await;
        let body = format!(r#"{{"agent_id":{AGENT_NUMBER}}}"#);
        let first =
            app.post(integer_id::SESSIONS, body.clone()).header("idempotency-key", "k").send().await.expect(201);
        let ask = app.ask(Method::POST, integer_id::SESSIONS).header("content-type", "application/json");
        let again = ask.header("content-encoding", "gzip").header("idempotency-key", "k").body(gzip(body.as_bytes()));
        let again = again.send().await.expect(201);
        assert_eq!(again.bytes, first.bytes);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    });
}
