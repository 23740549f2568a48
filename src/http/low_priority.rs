//! Threads with a lower priority than all others of this machine, for work that uses the processor for longer than a
//! moment. Large requests of one organization are computed when no small request needs a processor.
//!
//! On Linux the nice value of these threads is higher. Elsewhere they are ordinary threads.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// Of 19. With it, a thread gets about a tenth of the time of an ordinary thread that needs the same processor.
const NICE: i32 = 10;
/// Requests that are computed at once.
const WORKERS: usize = 2;

/// The threads. Dropping this stops them.
#[derive(Debug)]
pub struct LowPriorityThreads(Option<Runtime>);

impl LowPriorityThreads {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("low-priority")
            .on_thread_start(lower_priority)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    #[must_use]
    pub fn handle(&self) -> LowPriority {
        LowPriority(self.0.as_ref().map(|runtime| runtime.handle().clone()))
    }
}

impl Drop for LowPriorityThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn lower_priority() {
    // On Linux each thread has its own priority, and no process id means the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "http.priority_not_lowered");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

/// Runs work on these threads; by default on the ordinary ones.
#[derive(Clone, Debug, Default)]
pub struct LowPriority(Option<Handle>);

/// The work panicked, or the threads have been stopped.
#[derive(Debug)]
pub struct Lost;

impl LowPriority {
    /// Runs blocking work on a thread. It continues when the handle is dropped.
    pub fn spawn_blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match &self.0 {
            Some(handle) => handle.spawn_blocking(work),
            None => tokio::task::spawn_blocking(work),
        }
    }

    /// Runs a future. Dropping this drops the future too.
    ///
    /// # Errors
    /// When the future panics or the service stops.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Lost> {
        match &self.0 {
            Some(handle) => {
                AbortOnDropHandle::new(handle.spawn(work.in_current_span())).await.map_err(|_cancelled| Lost)
            }
            None => AssertUnwindSafe(work).catch_unwind().await.map_err(|_panic| Lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[cfg(target_os = "linux")]
    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_give_way_and_no_others() {
        let before = nice();
        let threads = LowPriorityThreads::start().unwrap();
        let low = threads.handle();
        assert_eq!(low.spawn_blocking(nice).await.unwrap(), NICE);
        assert_eq!(low.run(async { nice() }).await.unwrap(), NICE);
        assert_eq!(nice(), before);
        assert_eq!(LowPriority::default().run(async { nice() }).await.unwrap(), before);
    }

    #[tokio::test]
    async fn a_panic_is_reported_and_what_is_dropped_does_not_go_on() {
        let threads = LowPriorityThreads::start().unwrap();
        for low in [threads.handle(), LowPriority::default()] {
            assert!(low.run(async { panic!("of a test") }).await.is_err());
            let held = Arc::new(());
            let inside = Arc::clone(&held);
            let running = low.run(async move {
                let _inside = inside;
                std::future::pending::<()>().await;
            });
            assert!(running.now_or_never().is_none());
            while Arc::strong_count(&held) > 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}
