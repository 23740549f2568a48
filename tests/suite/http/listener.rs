//! The accept loop, over real connections.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use sessionary::http::bounds::Bounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::run;
use crate::support::wire::{Running, rest, start};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Returns a router that reports each request and responds when the test allows it.
fn slow() -> (Router, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (asked, when_asked) = mpsc::channel(16);
    let (go, authenticator) = mpsc::channel::<()>(16);
    let authenticator = std::sync::Arc::new(tokio::sync::Mutex::new(authenticator));
    let app = Router::new().route(
        "/",
        get(move || {
            let (asked, authenticator) = (asked.clone(), authenticator.clone());
            async move {
                let _ = asked.send(()).await;
                let _ = authenticator.lock().await.recv().await;
                "done"
            }
        }),
    );
    (app, when_asked, go)
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    run(async {
        let app = Router::new().route("/", get(|| async { "done" }));
        let bounds = Bounds { header_read_timeout: Duration::from_millis(100), ..Bounds::default() };
        let running = start(app, bounds).await;
        let mut dripping = running.connect().await;
        dripping.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.expect("half a head");
        assert!(!rest(dripping).await.contains("200"));
        let silent = running.connect().await;
        assert_eq!(rest(silent).await, "");
        let mut prompt = running.connect().await;
        prompt.write_all(REQUEST).await.expect("a request");
        assert!(rest(prompt).await.ends_with("done"));
        running.stop.cancel();
        running.served.await.expect("a stop");
    });
}

#[test]
fn an_open_request_finishes_when_the_service_stops() {
    run(async {
        let (app, mut when_asked, go) = slow();
        let running = start(app, Bounds::default()).await;
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("a request");
        when_asked.recv().await.expect("a request");
        running.stop.cancel();
        go.send(()).await.expect("a handler");
        assert!(rest(stream).await.ends_with("done"));
        running.served.await.expect("a stop");
        assert!(TcpStream::connect(running.address).await.is_err(), "the port is still open");
    });
}

#[test]
fn a_request_that_outlasts_the_drain_deadline_is_cut() {
    run(async {
        let (app, mut when_asked, _go) = slow();
        let bounds = Bounds { drain_deadline: Duration::from_millis(100), ..Bounds::default() };
        let running = start(app, bounds).await;
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("a request");
        when_asked.recv().await.expect("a request");
        running.stop.cancel();
        let stopped = tokio::time::timeout(Duration::from_secs(10), running.served).await;
        stopped.expect("the drain has no end").expect("a stop");
        assert_eq!(rest(stream).await, "");
    });
}

#[test]
fn connections_past_the_cap_wait_while_all_are_busy() {
    run(async {
        let (app, mut when_asked, go) = slow();
        let running = start(app, Bounds { max_connections: 1, ..Bounds::default() }).await;
        let mut first = running.connect().await;
        first.write_all(REQUEST).await.expect("a request");
        when_asked.recv().await.expect("a request");
        let mut second = running.connect().await;
        second.write_all(REQUEST).await.expect("a request");
        assert!(when_asked.try_recv().is_err(), "two requests at once");
        for stream in [first, second] {
            go.send(()).await.expect("a handler");
            assert!(rest(stream).await.ends_with("done"));
        }
        running.stop.cancel();
        running.served.await.expect("a stop");
    });
}

/// Connects from another address of this machine. On macOS, the address would have to be configured first.
#[cfg(target_os = "linux")]
async fn connect_from(running: &Running, address: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(address.parse().expect("an address"), 0)).expect("an address of this machine");
    socket.connect(running.address).await.expect("a connection")
}

/// Sends a request, and reads its response while the connection stays open.
async fn ask_again(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("a request");
    let mut text = String::new();
    while !text.ends_with("done") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.expect("an answer");
        assert_ne!(read, 0, "the connection was closed");
        text += std::str::from_utf8(&bytes[..read]).expect("a text");
    }
    text
}

fn quick() -> Router {
    Router::new().route("/", get(|| async { "done" }))
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_has_its_share_of_the_connections_and_keeps_no_other_out() {
    run(async {
        let bounds = Bounds { max_connections: 100, max_per_client: 3, ..Bounds::default() };
        let running = start(quick(), bounds).await;
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut stream = connect_from(&running, "127.0.0.2").await;
            ask_again(&mut stream).await;
            open.push(stream);
        }
        for _ in 0..5 {
            let turned_away = rest(connect_from(&running, "127.0.0.2").await).await;
            let (head, body) = turned_away.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("Retry-After: 1"), "{head}");
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{turned_away}");
        }
        let mut other = connect_from(&running, "127.0.0.3").await;
        ask_again(&mut other).await;
        // Existing connections stay open, and a closed one makes room.
        for stream in &mut open {
            ask_again(stream).await;
        }
        drop(open.pop());
        let mut next = None;
        while next.is_none() {
            let mut stream = connect_from(&running, "127.0.0.2").await;
            stream.write_all(REQUEST).await.expect("a request");
            next = Some(rest(stream).await).filter(|text| text.ends_with("done"));
        }
        running.stop.cancel();
        running.served.await.expect("a stop");
    });
}

#[test]
fn a_trusted_proxy_has_no_share() {
    run(async {
        let trusted_proxies = ["127.0.0.0/8".parse().expect("a network")].into();
        let bounds = Bounds { max_connections: 100, max_per_client: 1, trusted_proxies, ..Bounds::default() };
        let running = start(quick(), bounds).await;
        let mut open = Vec::new();
        for _ in 0..20 {
            let mut stream = running.connect().await;
            ask_again(&mut stream).await;
            open.push(stream);
        }
        running.stop.cancel();
        running.served.await.expect("a stop");
    });
}

#[test]
fn the_longest_idle_connections_make_room_and_busy_ones_stay() {
    run(async {
        let (slow, mut when_asked, go) = slow();
        let app = Router::new().route("/", get(|| async { "done" })).nest("/slow", slow);
        let running = start(app, Bounds { max_connections: 4, ..Bounds::default() }).await;
        let mut busy = running.connect().await;
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("a request");
        when_asked.recv().await.expect("a request");
        let (mut first, mut second) = (running.connect().await, running.connect().await);
        ask_again(&mut first).await;
        ask_again(&mut second).await;
        ask_again(&mut first).await;
        // A connection that never sent a whole request waits as well, and by now for the shortest time.
        let mut dripping = running.connect().await;
        dripping.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.expect("half a head");

        // Each new connection replaces one: the second, then the first, then the dripping one, each of which is read to
        // its end here.
        let mut come = Vec::new();
        for idle in [second, first, dripping] {
            let mut next = running.connect().await;
            assert_eq!(rest(idle).await, "");
            ask_again(&mut next).await;
            come.push(next);
        }
        go.send(()).await.expect("a handler");
        assert!(rest(busy).await.ends_with("done"));
        running.stop.cancel();
        running.served.await.expect("a stop");
    });
}

#[test]
fn a_client_that_stops_reading_is_cut_off() {
    run(async {
        let (dropped, when_dropped) = tokio::sync::oneshot::channel::<()>();
        let dropped = std::sync::Arc::new(std::sync::Mutex::new(Some(dropped)));
        let endless = get(async move || {
            let held = dropped.lock().expect("a lock").take();
            let chunks = futures::stream::repeat_with(move || {
                // Dropped with the body.
                let _held = &held;
                Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[b'x'; 64 * 1024]))
            });
            axum::body::Body::from_stream(chunks)
        });
        let bounds = Bounds { write_timeout: Duration::from_millis(100), ..Bounds::default() };
        let running = start(Router::new().route("/", endless), bounds).await;
        let mut stream = running.connect().await;
        stream.write_all(REQUEST).await.expect("a request");
        // Nothing is read: the buffers of both sides fill up, and then the time limit ends.
        let let_go = tokio::time::timeout(Duration::from_secs(30), when_dropped).await;
        assert!(let_go.expect("the stream is held for ever").is_err());
        drop(stream);
        running.stop.cancel();
        running.served.await.expect("a stop");
    });
}
