//! The limits of a listener and of its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection::LingerBounds;

/// Time limit for a request's head, from its first byte or from the start of the connection.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may be idle between two requests. It is longer than the 60 seconds after which load balancers
/// close theirs, because the side that closes first decides whether a request can be lost.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may read nothing of what is written to it. After that the connection is closed. Streams are
/// produced as fast as they are read, so a client that stopped reading uses no memory.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Limit of simultaneous connections, if the process may have enough file descriptors. Beyond it idle connections are
/// closed, and if none is idle, new ones wait in the kernel's backlog.
pub const MAX_CONNECTIONS: usize = 10_000;
/// Each client may have one part in this many of all connections. A client is an IPv4 address or an IPv6 /64 that is
/// not a trusted proxy.
const CLIENT_SHARE: usize = 4;
/// File descriptors for everything other than clients' connections and what is opened on their behalf: Postgres, files,
/// the runtime's own, webhooks in progress.
const RESERVED_DESCRIPTORS: u64 = 256;
/// Descriptors that a client's connection can need: its own, and one for the responder of its message.
const DESCRIPTORS_EACH: u64 = 2;
/// Time limit for open requests after the service begins to stop.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

/// The address of the client's end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The limits of one listener.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub header_read_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    pub write_timeout: Duration,
    pub max_connections: usize,
    /// Connections that one client may have.
    pub max_per_client: usize,
    /// Peers without this limit, because each of their connections may be from another client.
    pub trusted_proxies: Arc<[IpNet]>,
    pub drain_deadline: Duration,
    /// What a client may still send after the response to a request that was rejected before it was read.
    pub linger: LingerBounds,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            header_read_timeout: HEADER_READ_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            write_timeout: WRITE_TIMEOUT,
            max_connections: MAX_CONNECTIONS,
            max_per_client: MAX_CONNECTIONS / CLIENT_SHARE,
            trusted_proxies: Arc::default(),
            drain_deadline: DRAIN_DEADLINE,
            linger: LingerBounds::RESPONSE,
        }
    }
}

impl Bounds {
    /// Returns limits for this process, after raising its limit of file descriptors as far as possible.
    #[must_use]
    pub fn of_this_process() -> Self {
        let descriptors = raise_descriptor_limit();
        let bounds = Self::within(descriptors);
        tracing::info!(?descriptors, connections = bounds.max_connections, "http.bounds");
        bounds
    }

    /// Returns limits that this many file descriptors suffice for; `None` is no limit.
    #[must_use]
    pub fn within(descriptors: Option<u64>) -> Self {
        let fitting = |limit: u64| limit.saturating_sub(RESERVED_DESCRIPTORS) / DESCRIPTORS_EACH;
        let fitting = descriptors.map_or(usize::MAX, |limit| usize::try_from(fitting(limit)).unwrap_or(usize::MAX));
        // Even if the limit is absurdly low, some clients can be served.
        let max_connections = MAX_CONNECTIONS.min(fitting).max(CLIENT_SHARE);
        Self { max_connections, max_per_client: max_connections / CLIENT_SHARE, ..Self::default() }
    }
}

/// Raises the soft limit of file descriptors to the hard limit. Returns the resulting limit; `None` is no limit.
fn raise_descriptor_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            // macOS reports no limit and accepts none, so the previous limit is used.
            tracing::warn!(%error, "http.descriptor_limit_not_raised");
            current
        }
    }
}
