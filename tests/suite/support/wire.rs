//! The service with its listener, and clients that write their bytes themselves.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use sessionary::http::bounds::Bounds;
use sessionary::http::listener::serve;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running listener.
pub struct Running {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
}

/// Serves at a port of this machine.
pub async fn start(app: Router, bounds: Bounds) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, app, bounds, stop.clone()));
    Running { address, stop, served }
}

impl Running {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Stops, and waits until everything has ended, within the drain deadline.
    pub async fn end(self) {
        self.stop.cancel();
        self.served.await.expect("a stop");
    }

    /// Stops without waiting for handlers that never end.
    pub async fn stop_and_cut(self) {
        self.stop.cancel();
        self.served.abort();
        let _ = self.served.await;
    }
}

/// Reads until the other side closes, within ten seconds.
pub async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await;
    let _ = read.expect("the connection stays open");
    text
}

/// Reads the head of a response, including its empty line.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await.expect("a response in time");
        head.push(byte.expect("a response"));
    }
    String::from_utf8(head).expect("a text")
}

/// Reads a response with a declared length, while the connection stays open.
pub async fn read_response(stream: &mut TcpStream) -> String {
    let head = read_head(stream).await;
    let length = head.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await.expect("a body");
    head + std::str::from_utf8(&body).expect("a text")
}
