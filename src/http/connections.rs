//! The open connections, and which of them can be closed to make room.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::network::Network;
use crate::domain::{Permit, Quota};

/// How long an idle connection may take to close before the next is closed too.
const CLOSED_WITHIN: Duration = Duration::from_millis(50);

/// How many times the connections of a /64 all /64s of one /56 have together. It is less than the factor of the rates,
/// because a network has a quarter of all connections: four times as many would be all of them.
const AROUND_FACTOR: usize = 2;

/// The connections of one listener.
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    networks: Quota<Network>,
    /// The /56 around each /64, with [`AROUND_FACTOR`] times as many connections.
    around: Quota<Network>,
    trusted_proxies: Arc<[IpNet]>,
    idle: Arc<Idle>,
}

/// The permits of a client's networks for one connection, released when dropped. A trusted proxy needs none, because it
/// forwards for any number of clients.
#[derive(Default)]
pub(super) struct NetworkPermits {
    _network: Option<Permit<Network>>,
    _around: Option<Permit<Network>>,
}

/// One connection's permit, released when dropped.
pub(super) struct Admitted {
    pub activity: Activity,
    _permit: OwnedSemaphorePermit,
    _networks: NetworkPermits,
}

/// The connections without a request, in the order in which they became idle.
#[derive(Default)]
struct Idle(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    since: BTreeMap<u64, CancellationToken>,
}

/// Whether one connection serves a request.
#[derive(Clone)]
pub(super) struct Activity(Arc<OneActivity>);

struct OneActivity {
    idle: Arc<Idle>,
    /// Cancelled when the connection has to make room for another.
    make_room: CancellationToken,
    /// The connection's number in the order, while it is idle.
    number: Mutex<Option<u64>>,
}

impl Connections {
    /// Allows at most `total` connections, and at most `per_client` of one network.
    pub fn new(total: usize, per_client: usize, trusted_proxies: Arc<[IpNet]>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(total)),
            networks: Quota::new(per_client),
            around: Quota::new(per_client.saturating_mul(AROUND_FACTOR)),
            trusted_proxies,
            idle: Arc::default(),
        }
    }

    /// Returns the permits of a peer's networks.
    ///
    /// # Errors
    /// [`Full`] when one of the networks has all the connections it may have.
    pub fn permits_of(&self, peer: IpAddr) -> Result<NetworkPermits, Full> {
        let peer = peer.to_canonical();
        if self.trusted_proxies.iter().any(|proxies| proxies.contains(&peer)) {
            return Ok(NetworkPermits::default());
        }
        let network = Network::of(peer);
        let permit = self.networks.acquire(network).ok_or(Full)?;
        let around = network.around().map(|around| self.around.acquire(around).ok_or(Full)).transpose()?;
        Ok(NetworkPermits { _network: Some(permit), _around: around })
    }

    /// Waits for a permit. While there is none, the connections that have been idle for the longest time are closed, one
    /// at a time.
    pub async fn admit(&self, networks: NetworkPermits) -> Option<Admitted> {
        let permits = &self.permits;
        let permit = loop {
            if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
                break permit;
            }
            // A connection that is asked to close may have begun to serve a request meanwhile, or wait for a client
            // that does not read; then the next one is asked.
            self.idle.close_longest();
            if let Ok(permit) = tokio::time::timeout(CLOSED_WITHIN, Arc::clone(permits).acquire_owned()).await {
                break permit.ok()?;
            }
        };
        Some(Admitted { activity: Activity::new(Arc::clone(&self.idle)), _permit: permit, _networks: networks })
    }
}

/// A network has as many connections as it may have.
#[derive(Debug)]
pub(super) struct Full;

impl Idle {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_longest(&self) {
        if let Some((_, make_room)) = self.waiting().since.pop_first() {
            make_room.cancel();
        }
    }
}

impl Activity {
    fn new(idle: Arc<Idle>) -> Self {
        let activity = OneActivity { idle, make_room: CancellationToken::new(), number: Mutex::default() };
        let activity = Self(Arc::new(activity));
        activity.ended();
        activity
    }

    /// Called when a request arrived.
    pub fn began(&self) {
        self.0.leave();
    }

    /// Called when the response was sent.
    pub fn ended(&self) {
        let mut current = self.0.number.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = self.0.idle.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.since.insert(number, self.0.make_room.clone());
        *current = Some(number);
    }

    pub fn is_idle(&self) -> bool {
        self.0.number.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Resolves when the connection has to make room for another.
    pub async fn make_room(&self) {
        self.0.make_room.cancelled().await;
    }
}

impl OneActivity {
    fn leave(&self) {
        let mut current = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = current.take() {
            self.idle.waiting().since.remove(&number);
        }
    }
}

impl Drop for OneActivity {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_a_part_of_the_connections_and_all_of_one_customer_twice_as_many() {
        let connections = Connections::new(16, 4, Arc::from(["192.0.2.0/24".parse().unwrap()]));
        let mut open = Vec::new();
        let mut opened = |address: &str| match connections.permits_of(address.parse().unwrap()) {
            Ok(permits) => {
                open.push(permits);
                true
            }
            Err(Full) => false,
        };
        assert_eq!((0..6).filter(|_| opened("2001:db8::1")).count(), 4);
        assert_eq!((1..9).filter(|network| opened(&format!("2001:db8:0:{network}::1"))).count(), 4);
        assert!(opened("2001:db8:0:100::1"), "another /56");
        assert_eq!((0..6).filter(|_| opened("198.51.100.1")).count(), 4);
        assert!((0..6).all(|_| opened("192.0.2.1")), "a trusted proxy");
        drop(open);
        assert!(connections.permits_of("2001:db8::1".parse().unwrap()).is_ok());
    }
}
