//! Work that uses the processor for longer than a moment, and requests that use the database for long.
//!
//! Such work does not run on the async workers, so that other requests are served meanwhile. A bounded number of the
//! replica's threads runs it, of which one organization can use a limited part. It checks a clock and a flag as it
//! runs: the work of a request that was dropped, or whose time is over, stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::{LowPriority, Rejection};
use crate::domain::{OrgId, Permit, Quota};

/// Threads of one replica for such work.
const THREADS: usize = 2;
/// Limit of simultaneous scans of one organization, and of copies of conversations.
const SCANS_PER_ORG: usize = 1;
const COPIES_PER_ORG: usize = 2;
/// How long one scan may use threads, all its pieces together.
const SCAN_TIME: Duration = Duration::from_secs(1);
/// How long a scan waits for a thread.
const WAIT: Duration = Duration::from_secs(1);

/// The permits for such work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CostlyWork {
    low_priority: LowPriority,
    threads: Arc<Semaphore>,
    scans: Quota,
    copies: Quota,
    scan_time: Duration,
}

impl Default for CostlyWork {
    fn default() -> Self {
        Self {
            low_priority: LowPriority::default(),
            threads: Arc::new(Semaphore::new(THREADS)),
            scans: Quota::new(SCANS_PER_ORG),
            copies: Quota::new(COPIES_PER_ORG),
            scan_time: SCAN_TIME,
        }
    }
}

impl CostlyWork {
    /// Returns the same permits, for work on these threads.
    #[must_use]
    pub fn on(self, low_priority: LowPriority) -> Self {
        Self { low_priority, ..self }
    }

    /// Returns the same permits, with another time limit for each scan.
    #[must_use]
    pub fn with_scan_time(self, scan_time: Duration) -> Self {
        Self { scan_time, ..self }
    }

    /// Starts a scan for an organization.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when the organization has as many as it may have.
    pub fn scan(&self, org: OrgId) -> Result<Scan, Rejection> {
        let share = self.scans.acquire(org).ok_or(Rejection::TooManyConcurrent)?;
        Ok(Scan {
            low_priority: self.low_priority.clone(),
            threads: Arc::clone(&self.threads),
            share: Arc::new(share),
            left: self.scan_time,
            dropped: Arc::default(),
        })
    }

    /// Returns a permit for copying or compacting a conversation.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when the organization has as many as it may have.
    pub fn copy(&self, org: OrgId) -> Result<Permit, Rejection> {
        self.copies.acquire(org).ok_or(Rejection::TooManyConcurrent)
    }

    /// Runs work of a bounded size on one of the threads, when one is free.
    ///
    /// # Errors
    /// [`Rejection::Internal`] when the work panics.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Rejection> {
        let permit = Arc::clone(&self.threads).acquire_owned().await.map_err(|_| Rejection::Internal)?;
        let done = self.low_priority.spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|_| Rejection::Internal)
    }
}

/// A scan of an organization. Dropping it stops its work. The organization's permit is released when no thread works
/// for it any more.
#[derive(Debug)]
pub struct Scan {
    low_priority: LowPriority,
    threads: Arc<Semaphore>,
    share: Arc<Permit>,
    left: Duration,
    dropped: Arc<AtomicBool>,
}

impl Scan {
    /// Runs a piece of the scan on one of the threads.
    ///
    /// # Errors
    /// [`Rejection::Unavailable`] when every thread stays busy, [`Rejection::Internal`] when the work panics.
    pub async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Watch) -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let permit = tokio::time::timeout(WAIT, Arc::clone(&self.threads).acquire_owned());
        let permit = permit.await.map_err(|_| Rejection::Unavailable)?.map_err(|_| Rejection::Internal)?;
        let (share, left, dropped) = (Arc::clone(&self.share), self.left, Arc::clone(&self.dropped));
        let done = self.low_priority.spawn_blocking(move || {
            let began = Instant::now();
            let done = work(&Watch { began, left, dropped });
            let took = began.elapsed();
            drop((permit, share));
            (done, took)
        });
        let (done, took) = done.await.map_err(|_| Rejection::Internal)?;
        self.left = self.left.saturating_sub(took);
        Ok(done)
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
    }
}

/// Shows the work whether it may continue.
#[derive(Debug)]
pub struct Watch {
    began: Instant,
    left: Duration,
    dropped: Arc<AtomicBool>,
}

impl Watch {
    /// Returns `true` when the request was dropped.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns `true` when the time is over or the request was dropped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_dropped() || self.began.elapsed() >= self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::mpsc;
    use uuid::Uuid;

    fn org(number: u128) -> OrgId {
        OrgId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn the_async_worker_is_free_while_a_scan_runs_and_no_second_one_begins() {
        // The only worker of this runtime continues while the thread waits for it.
        let costly = CostlyWork::default();
        let mut scan = costly.scan(org(1)).unwrap();
        let (go_on, may_end) = mpsc::channel();
        let work = scan.run(move |_| may_end.recv().is_ok());
        let other = async {
            tokio::task::yield_now().await;
            assert_eq!(costly.scan(org(1)).unwrap_err(), Rejection::TooManyConcurrent);
            assert!(costly.scan(org(2)).is_ok());
            go_on.send(()).unwrap();
        };
        let (done, ()) = tokio::join!(work, other);
        assert_eq!(done, Ok(true));
        drop(scan);
        assert!(costly.scan(org(1)).is_ok());
    }

    #[tokio::test]
    async fn a_dropped_scan_ends_and_keeps_its_permits_until_then() {
        let costly = CostlyWork::default().with_scan_time(Duration::MAX);
        let mut scan = costly.scan(org(1)).unwrap();
        let (began, has_begun) = mpsc::channel();
        let (end, may_end) = mpsc::channel::<()>();
        let (ended, has_ended) = tokio::sync::oneshot::channel::<()>();
        {
            let mut work = Box::pin(scan.run(move |watch| {
                began.send(()).unwrap();
                while !watch.is_over() {
                    std::thread::yield_now();
                }
                let _ = may_end.recv();
                drop(ended);
            }));
            assert!(work.as_mut().now_or_never().is_none());
            has_begun.recv().unwrap();
        }
        drop(scan);
        // The thread has seen it, or will. Until it ends no other scan can begin.
        assert_eq!(costly.scan(org(1)).unwrap_err(), Rejection::TooManyConcurrent);
        assert_eq!(costly.threads.available_permits(), THREADS - 1);
        end.send(()).unwrap();
        assert!(has_ended.await.is_err());
        let all = costly.threads.acquire_many(u32::try_from(THREADS).unwrap()).await.unwrap();
        drop(all);
        while costly.scan(org(1)).is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_finds_no_thread_is_refused() {
        let costly = CostlyWork::default();
        let _busy = costly.threads.acquire_many(u32::try_from(THREADS).unwrap()).await.unwrap();
        assert_eq!(costly.scan(org(1)).unwrap().run(|_| ()).await, Err(Rejection::Unavailable));
    }

    #[tokio::test]
    async fn the_pieces_of_a_scan_share_its_time() {
        let mut scan = CostlyWork::default().with_scan_time(Duration::ZERO).scan(org(1)).unwrap();
        assert_eq!(scan.run(|watch| (watch.is_over(), watch.is_dropped())).await, Ok((true, false)));
        let mut scan = CostlyWork::default().scan(org(1)).unwrap();
        scan.run(|watch| while !watch.is_over() {}).await.unwrap();
        assert_eq!(scan.run(Watch::is_over).await, Ok(true));
    }

    #[tokio::test]
    async fn copies_of_one_organization_are_counted() {
        let costly = CostlyWork::default();
        let held: Vec<Permit> = (0..COPIES_PER_ORG).map(|_| costly.copy(org(1)).unwrap()).collect();
        assert_eq!(costly.copy(org(1)).unwrap_err(), Rejection::TooManyConcurrent);
        assert!(costly.copy(org(2)).is_ok());
        drop(held);
        assert!(costly.copy(org(1)).is_ok());
    }
}
