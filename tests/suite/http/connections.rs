//! How long connections stay open for a client, and what it can still read.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use sessionary::http::LingerBounds;
use sessionary::http::bounds::Bounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::run;
use crate::support::wire::{Running, read_head, read_response, rest, start};

/// Returns a router that responds at once without reading bodies.
fn quick() -> Router {
    Router::new().route("/", get(|| async { "done" }).post(|| async { "done" }))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn an_idle_connection_outlasts_the_time_for_a_head() {
    run(async {
        let bounds = Bounds {
            header_read_timeout: Duration::from_millis(100),
            keep_alive: Duration::from_secs(600),
            ..Bounds::default()
        };
        let running = start(quick(), bounds).await;
        let mut idle = running.connect().await;
        for _ in 0..3 {
            idle.write_all(REQUEST).await.expect("a request");
            assert!(read_response(&mut idle).await.ends_with("done"));
            // Another connection shows that the time for a head has passed meanwhile.
            let mut dripping = running.connect().await;
            dripping.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.expect("half a head");
            assert_eq!(rest(dripping).await, "");
        }
        // A head that begins after the idle time has its own time from then on.
        let began = Instant::now();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.expect("half a head");
        assert_eq!(rest(idle).await, "");
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
        running.end().await;
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    run(async {
        let bounds = Bounds { keep_alive: Duration::from_millis(150), ..Bounds::default() };
        let running = start(quick(), bounds).await;
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("a request");
        assert!(read_response(&mut stream).await.ends_with("done"));
        let began = Instant::now();
        assert_eq!(rest(stream).await, "");
        assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
        running.end().await;
    });
}

/// Sends a request with a body of this many bytes completely before reading the response, as many clients do.
async fn send_all(running: &Running, head: &str, bytes: usize) -> std::io::Result<String> {
    let mut stream = running.connect().await;
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await?;
    let piece = vec![b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let sent = left.min(piece.len());
        stream.write_all(&piece[..sent]).await?;
        left -= sent;
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[test]
fn a_client_that_sends_everything_first_sees_why_it_was_rejected() {
    run(async {
        let running = start(quick(), Bounds::default()).await;
        for megabytes in [1, 10, 30] {
            let bytes = megabytes * 1024 * 1024;
            for head in [
                format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}"),
                format!("PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}"),
                // Not even a head that cannot be parsed loses its response.
                format!("POST / HTTP/1.1\r\nHost: localhost\r\nBroken header\r\nContent-Length: {bytes}"),
            ] {
                let response = send_all(&running, &head, bytes).await.expect("a response");
                let (status, _) = response.split_once("\r\n").expect("a status");
                assert!(
                    ["200 OK", "405 Method Not Allowed", "400 Bad Request"].iter().any(|s| status.ends_with(s)),
                    "{status}"
                );
                if !status.ends_with("400 Bad Request") {
                    assert_eq!(
                        response.to_ascii_lowercase().matches("\r\nconnection: close\r\n").count(),
                        1,
                        "{response}"
                    );
                }
            }
        }
        running.end().await;
    });
}

#[test]
fn a_small_body_that_was_not_read_leaves_the_connection_usable() {
    run(async {
        let running = start(quick(), Bounds::default()).await;
        let mut stream = running.connect().await;
        for bytes in [1, 1_000, 60_000] {
            stream
                .write_all(format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n").as_bytes())
                .await
                .expect("a head");
            stream.write_all(&vec![b'x'; bytes]).await.expect("a body");
            let response = read_response(&mut stream).await;
            assert!(
                response.ends_with("done") && !response.to_ascii_lowercase().contains("connection: close"),
                "{response}"
            );
        }
        running.end().await;
    });
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_not_asked() {
    run(async {
        let running = start(quick(), Bounds::default()).await;
        let mut stream = running.connect().await;
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
            .await
            .expect("a head");
        let response = rest(stream).await;
        assert!(response.starts_with("HTTP/1.1 200 OK") && response.contains("connection: close"), "{response}");
        running.end().await;
    });
}

/// Sends without an end. Returns how many bytes were accepted until the connection was closed.
async fn flood(running: &Running) -> usize {
    let mut stream = running.connect().await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .expect("a head");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10000, b'x');
    chunk.extend_from_slice(b"\r\n");
    let mut sent = 0;
    while stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    sent
}

#[test]
fn what_is_read_on_is_bounded_in_bytes_time_and_number() {
    run(async {
        let linger = LingerBounds { bytes: 1024 * 1024, ..LingerBounds::RESPONSE };
        let running = start(quick(), Bounds { linger, ..Bounds::default() }).await;
        // The buffers of both sides accept some more.
        let sent = flood(&running).await;
        assert!((1024 * 1024..64 * 1024 * 1024).contains(&sent), "{sent}");
        running.end().await;

        let linger = LingerBounds { silence: Duration::from_millis(100), ..LingerBounds::RESPONSE };
        let running = start(quick(), Bounds { linger, ..Bounds::default() }).await;
        let mut silent = running.connect().await;
        silent
            .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n")
            .await
            .expect("a head");
        assert!(rest(silent).await.ends_with("done"));
        running.end().await;

        let linger = LingerBounds { time: Duration::from_millis(200), ..LingerBounds::RESPONSE };
        let running = start(quick(), Bounds { linger, ..Bounds::default() }).await;
        let mut dripping = running.connect().await;
        dripping
            .write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
            .await
            .expect("a head");
        let dripped = async {
            while dripping.write_all(b"x").await.is_ok() {
                tokio::task::yield_now().await
            }
        };
        tokio::time::timeout(Duration::from_secs(10), dripped).await.expect("an end");
        running.end().await;

        let linger = LingerBounds { per_network: 1, ..LingerBounds::RESPONSE };
        let running = start(quick(), Bounds { linger, ..Bounds::default() }).await;
        let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n";
        let mut first = running.connect().await;
        first.write_all(head).await.expect("a head");
        assert!(read_response(&mut first).await.ends_with("done"));
        // The first lingers, and the second is closed at once, with its data unread.
        let mut second = running.connect().await;
        second.write_all(head).await.expect("a head");
        let began = Instant::now();
        while second.write_all(&[b'x'; 4096]).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(began.elapsed() < LingerBounds::RESPONSE.silence, "{:?}", began.elapsed());
        first.write_all(b"xxx").await.expect("a lingering connection");
        running.end().await;
    });
}

#[test]
fn a_connection_that_is_turned_away_can_read_why() {
    run(async {
        let running = start(quick(), Bounds { max_connections: 4, max_per_client: 1, ..Bounds::default() }).await;
        let mut only = running.connect().await;
        only.write_all(REQUEST).await.expect("a request");
        assert!(read_response(&mut only).await.ends_with("done"));
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000";
        let response = send_all(&running, head, 2_000_000).await.expect("a response");
        assert!(response.starts_with("HTTP/1.1 429 "), "{response}");
        running.end().await;
    });
}

#[test]
fn a_response_says_once_what_becomes_of_the_connection() {
    run(async {
        let events =
            || async { sessionary::http::event_stream::response(futures::stream::iter([Bytes::from("data: 1\n\n")])) };
        let running = start(quick().route("/events", get(events)), Bounds::default()).await;
        for path in ["/", "/events"] {
            for (version, asked, said) in [
                ("1.1", "close", &["close"][..]),
                ("1.1", "keep-alive", &[]),
                ("1.0", "keep-alive", &["keep-alive"]),
                ("1.0", "close", &["close"]),
            ] {
                let mut stream = running.connect().await;
                let request = format!("GET {path} HTTP/{version}\r\nHost: localhost\r\nConnection: {asked}\r\n\r\n");
                stream.write_all(request.as_bytes()).await.expect("a request");
                let head = read_head(&mut stream).await.to_ascii_lowercase();
                let values: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("connection: ")).collect();
                assert!(values.len() <= 1, "{path} {version} {asked}: {head}");
                // For a client of HTTP/1.0 the end of a stream is the end of the connection.
                if path == "/" && !values.is_empty() {
                    assert_eq!(values, said, "{version} {asked}");
                }
            }
        }
        running.end().await;
    });
}

/// Reports when it is dropped.
struct Ends(mpsc::UnboundedSender<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[test]
fn an_event_stream_ends_when_its_client_has_left_and_not_when_it_has_only_finished_sending() {
    run(async {
        let (ends, mut ended) = mpsc::unbounded_channel();
        let (frames, source) = mpsc::unbounded_channel::<Bytes>();
        // The first stream is silent, the second has what the test sends.
        let (silent, silence) = mpsc::unbounded_channel::<Bytes>();
        let sources = std::sync::Arc::new(std::sync::Mutex::new(vec![source, silence]));
        let events = get(move || {
            let mut source = sources.lock().expect("a lock").pop().expect("a source");
            let ends = Ends(ends.clone());
            async move {
                let first = futures::stream::once(async { Bytes::from_static(b"data: first\n\n") });
                let more = futures::stream::poll_fn(move |context| {
                    let _held = &ends;
                    source.poll_recv(context)
                });
                sessionary::http::event_stream::response(first.chain(more))
            }
        });
        let running = start(Router::new().route("/", events), Bounds::default()).await;

        let mut left = running.connect().await;
        left.write_all(REQUEST).await.expect("a request");
        read_until(&mut left, "data: first").await;
        drop(left);
        // Long before the next comment that keeps the stream alive.
        tokio::time::timeout(Duration::from_secs(5), ended.recv()).await.expect("the stream goes on").expect("its end");

        let mut half = running.connect().await;
        half.write_all(REQUEST).await.expect("a request");
        read_until(&mut half, "data: first").await;
        half.shutdown().await.expect("the end of what is sent");
        read_until(&mut half, ":\n\n").await;
        frames.send(Bytes::from_static(b"data: second\n\n")).expect("a stream");
        read_until(&mut half, "data: second").await;
        drop((half, silent, frames));
        running.end().await;
    });
}

async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut text = String::new();
    while !text.contains(end) {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut bytes)).await.expect("bytes in time");
        let read = read.expect("bytes");
        assert_ne!(read, 0, "the connection was closed after {text}");
        text += std::str::from_utf8(&bytes[..read]).expect("a text");
    }
}

#[test]
fn an_endless_body_ends_when_nobody_reads_it() {
    run(async {
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        let ended = std::sync::Arc::new(std::sync::Mutex::new(Some(ended)));
        let endless = get(async move || {
            let held = ended.lock().expect("a lock").take();
            let chunks = futures::stream::repeat_with(move || {
                let _held = &held;
                Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; 64 * 1024]))
            });
            ([(CONTENT_TYPE, "text/plain")], Body::from_stream(chunks)).into_response()
        });
        let running = start(Router::new().route("/", endless), Bounds::default()).await;
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("a request");
        read_head(&mut stream).await;
        drop(stream);
        assert!(tokio::time::timeout(Duration::from_secs(10), end).await.expect("the body goes on").is_err());
        running.end().await;
    });
}

#[test]
fn a_request_that_changes_nothing_ends_when_its_client_is_gone() {
    run(async {
        let (begun, mut begins) = mpsc::unbounded_channel::<tokio::sync::oneshot::Receiver<()>>();
        let slow = move || {
            let begun = begun.clone();
            async move {
                let (_held, end) = tokio::sync::oneshot::channel::<()>();
                let _ = begun.send(end);
                std::future::pending::<()>().await;
            }
        };
        let running = start(Router::new().route("/", get(slow.clone()).merge(post(slow))), Bounds::default()).await;
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("a request");
        let end = begins.recv().await.expect("a handler");
        // A reset, as a disconnected client sends; the end of its sending alone could mean that it still reads.
        stream.set_zero_linger().expect("a socket");
        drop(stream);
        assert!(tokio::time::timeout(Duration::from_secs(10), end).await.expect("the handler goes on").is_err());
        running.stop_and_cut().await;
    });
}
