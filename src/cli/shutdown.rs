//! The steps of a shutdown: first `/readyz`, after a delay new connections, and last open requests.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;

/// The two steps of a shutdown.
pub(super) struct Shutdown {
    /// Cancelled at the first signal: the service is no longer ready, but still serves.
    pub leaving: CancellationToken,
    /// Cancelled when new connections are no longer accepted and open requests are finished.
    pub stop: CancellationToken,
}

impl Shutdown {
    /// Begins at the first SIGTERM or SIGINT. After SIGTERM connections are accepted for `delay`, so that load
    /// balancers notice the shutdown before the service stops; another signal ends the delay. SIGINT, which users send,
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
            // Acted on before it is logged, because logging is less important.
            stop.cancel();
            tracing::info!("http.stopping");
        });
        Ok(shutdown)
    }
}
