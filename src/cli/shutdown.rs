//! How a service ends: `/readyz` first, new connections after a delay, open requests last.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;

/// The two steps of a shutdown.
pub(super) struct Shutdown {
    /// Cancelled at the first signal: the service is no longer ready, but serves on.
    pub leaving: CancellationToken,
    /// Cancelled when no more connections are taken and open requests are finished.
    pub stop: CancellationToken,
}

impl Shutdown {
    /// Begins at the first SIGTERM or SIGINT. After SIGTERM connections are taken for `delay`, so that load balancers
    /// see that the service is leaving before it is gone; another signal cuts the delay short. SIGINT, which people send,
    /// has no delay.
    pub fn on_signals(delay: Duration) -> Result<Self, Failure> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = Self { leaving: CancellationToken::new(), stop: CancellationToken::new() };
        let (leaving, stop) = (shutdown.leaving.clone(), shutdown.stop.clone());
        tokio::spawn(async move {
            let delay = tokio::select! {
                _ = terminate.recv() => delay,
                _ = interrupt.recv() => Duration::ZERO,
            };
            leaving.cancel();
            if !delay.is_zero() {
                tracing::info!(delay_seconds = delay.as_secs(), "http.leaving");
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            // Acted on before it is logged, because logging is the less important of the two.
            stop.cancel();
            tracing::info!("http.stopping");
        });
        Ok(shutdown)
    }
}
