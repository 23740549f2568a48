//! Reads on for a while after the last response. If bytes are unread, closing a socket resets the connection, and a
//! client that is still sending would lose the response.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{Permit, Quota};
use crate::http::network::Network;

/// Bytes per read, and memory of each lingering connection.
const BUFFER: usize = 16 * 1024;

/// Limits of what is read and discarded from clients that still send.
#[derive(Clone, Copy, Debug)]
pub struct LingerBounds {
    /// Bytes of one connection.
    pub bytes: u64,
    /// Time limit of one connection.
    pub time: Duration,
    /// How long a client may send nothing.
    pub silence: Duration,
    /// Connections of one network at once.
    pub per_network: usize,
    /// Connections at once.
    pub total: usize,
}

impl LingerBounds {
    /// For a response to a request that was rejected before it was read.
    pub const RESPONSE: Self = Self {
        bytes: 64 * 1024 * 1024,
        time: Duration::from_secs(30),
        silence: Duration::from_secs(5),
        per_network: 64,
        total: 512,
    };

    /// For a connection that was rejected.
    pub(in crate::http) const TURNED_AWAY: Self = Self {
        bytes: 4 * 1024 * 1024,
        time: Duration::from_secs(2),
        silence: Duration::from_secs(1),
        per_network: 16,
        total: 64,
    };
}

/// The connections that linger. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::http) struct Lingering {
    bounds: LingerBounds,
    networks: Quota<Network>,
    permits: Arc<Semaphore>,
}

/// The right to linger.
#[derive(Debug)]
pub(in crate::http) struct LingerPermit {
    bounds: LingerBounds,
    _share: Permit<Network>,
    _permit: OwnedSemaphorePermit,
}

impl Lingering {
    pub fn new(bounds: LingerBounds) -> Self {
        Self { bounds, networks: Quota::new(bounds.per_network), permits: Arc::new(Semaphore::new(bounds.total)) }
    }

    /// Returns a permit, if there is one for the peer's network.
    pub fn permit(&self, peer: IpAddr) -> Option<LingerPermit> {
        let share = self.networks.acquire(Network::of(peer))?;
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(LingerPermit { bounds: self.bounds, _share: share, _permit: permit })
    }
}

impl LingerPermit {
    /// Ends the sending side, then reads until the client does the same, within the limits.
    pub async fn linger(self, socket: &TcpStream) {
        let _ = rustix::net::shutdown(socket, Shutdown::Write);
        let _ = tokio::time::timeout(self.bounds.time, self.discard(socket)).await;
    }

    async fn discard(&self, socket: &TcpStream) {
        let mut left = self.bounds.bytes;
        let mut buffer = vec![0; BUFFER];
        while left > 0 {
            let Ok(Ok(())) = tokio::time::timeout(self.bounds.silence, socket.readable()).await else { return };
            match socket.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => left = left.saturating_sub(read as u64),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}
