//! The bounds of a listener and of its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection::LingerBounds;

/// How long a request's head may take: from its first byte, or from the beginning of the connection.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may be idle between two requests. It is longer than the 60 seconds after which load balancers
/// close theirs, because the side that closes first decides whether a request can be lost.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take nothing of what is written to it. Past it the connection is closed: what streams is
/// produced as fast as it is read, and no memory waits for a client that stopped reading.
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
/// How long open requests may take to finish once the service begins to stop.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// The address of the other end of the connection.
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
