//! The accept loop. It is the service's own because `axum::serve` bounds neither how slowly a head may come, nor how many
//! connections one client may have, nor how long a graceful shutdown may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use rustix::net::SendFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Context, LingerBounds, Lingering};
use super::connections::{Admitted, Connections};

/// How long a request's head may take: from its first byte, or from the beginning of the connection.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may be idle between two requests. It is longer than the 60 seconds after which load balancers
/// close theirs, because whoever closes first decides whether a request can be lost.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take nothing of what is written to it. Past it the connection is closed: what streams is
/// produced as fast as it is read, and nobody's memory waits for a reader who went to sleep.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections at once, where the process may have as many file descriptors. Past it idle connections are closed, and
/// where none is idle, more wait in the kernel's backlog.
pub const MAX_CONNECTIONS: usize = 10_000;
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
/// How long open requests may take to finish once the service begins to stop.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);
/// Connections that are taken from the backlog once the service begins to stop; as many as it holds.
const MAX_BACKLOG: usize = 1_024;
/// A pause after accept() failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The bounds of one listener.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub header_read_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    pub write_timeout: Duration,
    pub most_connections: usize,
    /// Connections that one client may have.
    pub most_per_client: usize,
    /// Peers that have no share: each of their connections can be another client's.
    pub trusted_proxies: Arc<[IpNet]>,
    pub drain_deadline: Duration,
    /// What clients may still send after a response to a request that was rejected before it was read.
    pub linger: LingerBounds,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header_read_timeout: HEADER_READ_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            write_timeout: WRITE_TIMEOUT,
            most_connections: MAX_CONNECTIONS,
            most_per_client: MAX_CONNECTIONS / CLIENT_SHARE,
            trusted_proxies: Arc::default(),
            drain_deadline: DRAIN_DEADLINE,
            linger: LingerBounds::RESPONSE,
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
        let most_connections = MAX_CONNECTIONS.min(fitting).max(CLIENT_SHARE);
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
    let drain_deadline = bounds.drain_deadline;
    let lingering = Lingering::new(bounds.linger);
    let turned_away = Lingering::new(LingerBounds::TURNED_AWAY);
    let context = Context { app, bounds, lingering, stop };

    let begin = |accepted: Accepted| {
        let (context, cut) = (context.clone(), cut.clone());
        match accepted {
            Accepted::Admitted(stream, peer, admitted) => {
                connections.spawn(async move {
                    let activity = admitted.activity.clone();
                    tokio::select! {
                        () = connection::serve(stream, peer, context, activity) => {}
                        () = cut.cancelled() => {}
                    }
                    drop(admitted);
                });
            }
            Accepted::TurnedAway(stream, peer) => {
                let Some(permit) = turned_away.permit(peer.ip()) else { return };
                connections.spawn(async move {
                    tokio::select! {
                        () = permit.linger(&stream) => {}
                        () = context.stop.cancelled() => {}
                    }
                });
            }
        }
    };
    loop {
        let next = tokio::select! {
            biased;
            () = context.stop.cancelled() => break,
            next = accept(&listener) => next,
        };
        // What was accepted has its turn, though the service stops meanwhile: its request may have arrived.
        let admitted = tokio::select! {
            biased;
            accepted = admit(&admission, next) => accepted,
            () = passed(&context.stop, drain_deadline) => None,
        };
        admitted.into_iter().for_each(&begin);
    }
    let drained = async {
        for next in backlog(listener) {
            admit(&admission, next).await.into_iter().for_each(&begin);
        }
        connections.close();
        connections.wait().await;
    };
    if tokio::time::timeout(drain_deadline, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "http.drain_deadline_passed");
        cut.cancel();
        connections.close();
        connections.wait().await;
    }
}

/// A connection that was accepted.
enum Accepted {
    Admitted(TcpStream, SocketAddr, Admitted),
    /// Its network has all the connections that it may have. It was sent a response that says so.
    TurnedAway(TcpStream, SocketAddr),
}

/// Returns the next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "http.accept_failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until there is a permit for the connection, unless its network has all that it may have.
async fn admit(admission: &Connections, (stream, peer): (TcpStream, SocketAddr)) -> Option<Accepted> {
    match admission.share_of(peer.ip()) {
        Ok(share) => Some(Accepted::Admitted(stream, peer, admission.admit(share).await?)),
        // It waits for nothing, so that it keeps no other client waiting.
        Err(_full) => {
            turn_away(&stream);
            Some(Accepted::TurnedAway(stream, peer))
        }
    }
}

/// Returns once the service has been stopping for that long.
async fn passed(stop: &CancellationToken, time: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(time).await;
}

/// Closes the listener. Returns the connections that wait in its backlog, because their requests may have arrived.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    std::iter::from_fn(|| listener.accept().ok())
        .take(MAX_BACKLOG)
        .filter_map(|(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream).ok()?, peer))
        })
        .collect()
}

/// Responds to a connection that is not served, as far as that can be sent without waiting.
fn turn_away(stream: &TcpStream) {
    metrics::counter!("sessionary_connections_turned_away").increment(1);
    let _ = rustix::net::send(stream, TOO_MANY, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
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
