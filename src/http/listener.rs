//! The accept loop. It is the service's own because `axum::serve` bounds neither how slowly a head may come, nor how many
//! connections one client may have, nor how long a graceful shutdown may take.

use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connections::{Activity, Admitted, Connections};

/// How long a request's head may take, counted also while a kept-alive connection is idle.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what is written to it. Past it the connection is closed: what streams is
/// produced as fast as it is read, and nobody's memory waits for a reader who went to sleep.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at once, where the process may have as many file descriptors. Past it idle connections are closed, and
/// where none is idle, more wait in the kernel's backlog.
pub const MOST_CONNECTIONS: usize = 10_000;
/// Which part of all connections one client may have: an IPv4 address or an IPv6 /64 that is no trusted proxy.
const CLIENT_SHARE: usize = 4;
/// File descriptors for everything that is no client's connection nor made on behalf of one: Postgres, files, the
/// runtime's own, webhooks on their way.
const RESERVED_DESCRIPTORS: u64 = 256;
/// Descriptors that a client's connection can need: its own, and one to the responder of the message it sent.
const DESCRIPTORS_EACH: u64 = 2;
/// What a connection past its client's share is sent before it is closed.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: application/json\r\n\
    Content-Length: 42\r\nConnection: close\r\n\r\n{\"error\":\"too many connections from here\"}";
/// How long open requests may take to finish once the service is told to stop.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// A pause after accept() failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The bounds of one listener.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub header_read_timeout: Duration,
    pub write_timeout: Duration,
    pub most_connections: usize,
    /// Connections that one client may have.
    pub most_per_client: usize,
    /// Peers that have no share: each of their connections can be another client's.
    pub trusted_proxies: Arc<[IpNet]>,
    pub drain_deadline: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header_read_timeout: HEADER_READ_TIMEOUT,
            write_timeout: WRITE_TIMEOUT,
            most_connections: MOST_CONNECTIONS,
            most_per_client: MOST_CONNECTIONS / CLIENT_SHARE,
            trusted_proxies: Arc::default(),
            drain_deadline: DRAIN_DEADLINE,
        }
    }
}

impl Bounds {
    /// Returns bounds that the process can meet, after it raised its limit of file descriptors as far as it may.
    #[must_use]
    pub fn of_this_process() -> Self {
        let descriptors = raise_descriptor_limit();
        let bounds = Self::within(descriptors);
        tracing::info!(?descriptors, connections = bounds.most_connections, "http.bounds");
        bounds
    }

    /// Returns bounds that so many file descriptors suffice for; `None` is no limit.
    #[must_use]
    pub fn within(descriptors: Option<u64>) -> Self {
        let fitting = |limit: u64| limit.saturating_sub(RESERVED_DESCRIPTORS) / DESCRIPTORS_EACH;
        let fitting = descriptors.map_or(usize::MAX, |limit| usize::try_from(fitting(limit)).unwrap_or(usize::MAX));
        // Even where the limit is absurdly low, some clients can be served.
        let most_connections = MOST_CONNECTIONS.min(fitting).max(CLIENT_SHARE);
        Self { most_connections, most_per_client: most_connections / CLIENT_SHARE, ..Self::default() }
    }
}

/// Raises the soft limit of file descriptors to the hard limit. Returns the limit that holds now; `None` is no limit.
fn raise_descriptor_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            // macOS reports no limit and accepts none; what was there before is good.
            tracing::warn!(%error, "http.descriptor_limit_not_raised");
            current
        }
    }
}

/// Serves until `stop`, then lets open requests finish within the drain deadline, then cuts what is left.
pub async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: CancellationToken) {
    let admission =
        Connections::new(bounds.most_connections, bounds.most_per_client, Arc::clone(&bounds.trusted_proxies));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();

    while let Some((stream, peer, admitted)) = accept(&listener, &admission, &stop).await {
        let (app, bounds, stop, cut) = (app.clone(), bounds.clone(), stop.clone(), cut.clone());
        connections.spawn(async move {
            let activity = admitted.activity.clone();
            tokio::select! {
                () = serve_connection(stream, peer, app, bounds, activity, stop) => {}
                () = cut.cancelled() => {}
            }
            drop(admitted);
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

/// Returns the next connection, once there is a permit for it; `None` when it is time to stop.
async fn accept(
    listener: &TcpListener,
    admission: &Connections,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, Admitted)> {
    let next = async {
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "http.accept_failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match admission.share_of(peer.ip()) {
                Ok(share) => return Some((stream, peer, admission.admit(share).await?)),
                // It waits for nothing, so that it keeps no other client waiting.
                Err(_full) => turn_away(stream),
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        accepted = next => accepted,
    }
}

/// Closes a connection after a word of why, as far as that can be sent without waiting.
fn turn_away(stream: TcpStream) {
    metrics::counter!("sessionary_connections_turned_away").increment(1);
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(TOO_MANY);
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    bounds: Bounds,
    activity: Activity,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(bounds.write_timeout));
    let (served, requests) = (activity.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&requests);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        count.fetch_add(1, Ordering::Relaxed);
        let busy = Busy::new(&served);
        let response = app.clone().oneshot(request);
        async move {
            // The connection is idle again once the body was handed over whole, or given up.
            response.await.map(|response| response.map(|body| Sending { body, _busy: busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_read_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut is_ending = false;
    loop {
        tokio::select! {
            // A client that breaks off is no event of ours.
            _ = connection.as_mut() => return,
            () = stop.cancelled(), if !is_ending => {
                connection.as_mut().graceful_shutdown();
                is_ending = true;
            }
            () = activity.make_room(), if !is_ending => {
                // One that has sent no whole request yet is owed nothing.
                if activity.is_idle() && requests.load(Ordering::Relaxed) == 0 {
                    return;
                }
                // Any other ends once what it was sent is flushed.
                connection.as_mut().graceful_shutdown();
                is_ending = true;
            }
        }
    }
}

/// Marks a connection as busy until dropped.
struct Busy(Activity);

impl Busy {
    fn new(activity: &Activity) -> Self {
        activity.began();
        Self(activity.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A response's body, whose connection is busy for as long as it is being sent.
struct Sending {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_end_below_the_limit_of_descriptors() {
        for (descriptors, connections, per_client) in [
            (None, 10_000, 2_500),
            (Some(1_048_576), 10_000, 2_500),
            (Some(20_256), 10_000, 2_500),
            (Some(4_096), 1_920, 480),
            (Some(1_024), 384, 96),
            (Some(300), 22, 5),
            (Some(0), 4, 1),
        ] {
            let bounds = Bounds::within(descriptors);
            assert_eq!((bounds.most_connections, bounds.most_per_client), (connections, per_client), "{descriptors:?}");
        }
    }
}
