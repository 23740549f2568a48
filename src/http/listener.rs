//! The accept loop. It is the house's own since `axum::serve` bounds neither how slowly a head may come nor how long
//! a graceful shutdown may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long a request's head may take, counted also while a kept-alive connection is idle.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what is written to it. Past it the connection is closed: what streams is
/// produced as fast as it is read, and nobody's memory waits for a reader who went to sleep.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at once; more wait in the kernel's backlog.
pub const MOST_CONNECTIONS: usize = 10_000;
/// How long open requests may take to finish once the service is told to stop.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// A pause after accept() failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub header_read_timeout: Duration,
    pub write_timeout: Duration,
    pub most_connections: usize,
    pub drain_deadline: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header_read_timeout: HEADER_READ_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            most_connections: MOST_CONNECTIONS,
            drain_deadline: DRAIN_DEADLINE,
        }
    }
}

/// Serves until `stop`, then lets open requests finish within the drain deadline, then cuts what is left.
pub async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(bounds.most_connections));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();

    while let Some((stream, peer, place)) = accept(&listener, &places, &stop).await {
        let (app, stop, cut) = (app.clone(), stop.clone(), cut.clone());
        connections.spawn(async move {
            let _place = place;
            tokio::select! {
                () = serve_connection(stream, peer, app, bounds, stop) => {}
                () = cut.cancelled() => {}
            }
        });
    }

    drop(listener);
    connections.close();
    if tokio::time::timeout(bounds.drain_deadline, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "http.drain_deadline_passed");
        cut.cancel();
        connections.wait().await;
    }
}

/// The next connection, once there is a place for it; `None` when it is time to stop.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let next = async {
        let place = Arc::clone(places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, place)),
                Err(error) => {
                    tracing::warn!(%error, "http.accept_failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = next => accepted,
    }
}

async fn serve_connection(stream: TcpStream, peer: SocketAddr, app: Router, bounds: Bounds, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(bounds.write_timeout));
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        app.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut told = false;
    loop {
        tokio::select! {
            // A client that breaks off is no event of ours.
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !told => {
                connection.as_mut().graceful_shutdown();
                told = true;
            }
        }
    }
}
