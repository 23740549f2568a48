//! The accept loop. `axum::serve` is not used, because it does not limit how slowly a head may arrive, how many
//! connections one client may have, or how long a graceful shutdown may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::SendFlags;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bounds::Bounds;
use super::connection::{self, Application, Context, LingerBounds, Lingering};
use super::connections::{Admitted, Connections};

/// The response to a connection beyond its client's limit, which is then closed.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: application/json\r\n\
    Content-Length: 42\r\nConnection: close\r\n\r\n{\"error\":\"too many connections from here\"}";
/// Connections that are taken from the backlog when the service begins to stop; as many as the backlog has.
const MAX_BACKLOG: usize = 1_024;
/// The pause after accept() failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, then lets open requests finish within the drain deadline, then closes the remaining
/// connections.
pub async fn serve<A: Application>(listener: TcpListener, app: A, bounds: Bounds, stop: CancellationToken) {
    let admission =
        Connections::new(bounds.max_connections, bounds.max_per_client, Arc::clone(&bounds.trusted_proxies));
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
        // An accepted connection is served although the service stops meanwhile, because its request may have arrived.
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

/// An accepted connection.
enum Accepted {
    Admitted(TcpStream, SocketAddr, Admitted),
    /// Rejected: its network has as many connections as it may have. The response has been sent.
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

/// Waits for a permit for the connection, unless its network has as many as it may have.
async fn admit(admission: &Connections, (stream, peer): (TcpStream, SocketAddr)) -> Option<Accepted> {
    match admission.permits_of(peer.ip()) {
        Ok(permits) => Some(Accepted::Admitted(stream, peer, admission.admit(permits).await?)),
        // It waits for nothing, so that it keeps no other client waiting.
        Err(_full) => {
            turn_away(&stream);
            Some(Accepted::TurnedAway(stream, peer))
        }
    }
}

/// Resolves after the service has been stopping for `time`.
async fn passed(stop: &CancellationToken, time: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(time).await;
}

/// Closes the listener. Returns the connections in its backlog, because their requests may have arrived.
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

/// Sends the response to a rejected connection, as far as possible without waiting.
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
            assert_eq!((bounds.max_connections, bounds.max_per_client), (connections, per_client), "{descriptors:?}");
        }
    }
}
