//! Large request bodies: how many bytes of them are in memory at once, and how much work they may cause.
//!
//! A request passes three limits in this order:
//! 1. [`LargeBodies::admit`], or [`LargeBodies::admit_in_turn`], and [`LargeBody::hold`] count the bodies and
//!    their bytes, per sender and per replica.
//! 2. [`LargeBody::turn`] waits for one of the sender's turns, and then for memory.
//! 3. [`AdmittedBody::run`] waits for a worker and runs the work on a blocking thread.
//!
//! Nothing waits for an earlier step while it has a later one, so the waits cannot deadlock. A sender has few turns, so
//! another sender waits for few of them. Dropping a future at any point releases everything. Work that has already
//! begun releases its part when it ends, because only then is the memory free.

mod limits;
mod maybe;
mod waiting;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter as Limiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use limits::{LargeBodyLimits, SendingRate};
pub use maybe::MaybeLarge;

use super::low_priority::LowPriority;
use super::meter::Meter;
use super::rejection::Rejection;
use crate::domain::{Credential, OrgId, Principal};

/// The unit in which memory is reserved.
const KIB: usize = 1024;

/// The sender of a body. Senders with only an organization's public id share their limits, so that they use none of
/// those of the organization's own credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sender {
    org: OrgId,
    is_public: bool,
}

impl Sender {
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        let is_public = matches!(principal.credential, Credential::OrgHeader | Credential::Anonymous);
        Self { org: principal.organization.id, is_public }
    }
}

/// The large bodies of one replica.
#[derive(Clone, Debug)]
pub struct LargeBodies(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    low_priority: LowPriority,
    limits: LargeBodyLimits,
    in_progress: Mutex<InProgress>,
    memory: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    sent: Option<DefaultKeyedRateLimiter<Sender>>,
}

#[derive(Debug, Default)]
struct InProgress {
    bytes: usize,
    senders: HashMap<Sender, SenderState>,
}

#[derive(Debug)]
struct SenderState {
    permits: Arc<Semaphore>,
    /// Bodies that have a permit or wait for one.
    bodies: usize,
    waiting: usize,
    bytes: usize,
    turns: Arc<Semaphore>,
}

impl Default for LargeBodies {
    fn default() -> Self {
        Self::new(LargeBodyLimits::default(), LowPriority::default())
    }
}

impl LargeBodies {
    /// Returns limits for bodies that are processed by these threads.
    #[must_use]
    pub fn new(limits: LargeBodyLimits, low_priority: LowPriority) -> Self {
        Self(Arc::new(Inner {
            low_priority,
            limits,
            in_progress: Mutex::default(),
            memory: Arc::new(Semaphore::new(limits.memory / KIB)),
            workers: Arc::new(Semaphore::new(limits.workers)),
            sent: limits
                .rate
                .map(|rate| Limiter::keyed(Quota::per_second(rate.bytes_per_second).allow_burst(rate.burst))),
        }))
    }

    /// Returns a permit for one body, without any bytes.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when the sender has as many bodies in progress as it may have.
    pub fn admit(&self, sender: Sender) -> Result<LargeBody, Rejection> {
        let mut in_progress = self.in_progress();
        let state = in_progress.state_of(sender, &self.0.limits);
        let permit = Arc::clone(&state.permits).try_acquire_owned().ok();
        let turns = Arc::clone(&state.turns);
        let Some(permit) = permit else { return Err(Rejection::TooManyConcurrent) };
        state.bodies += 1;
        drop(in_progress);
        Ok(LargeBody { bodies: self.clone(), sender, bytes: 0, turns, _permit: permit })
    }

    /// Returns whether nothing is in progress.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let Inner { limits, memory, workers, .. } = &*self.0;
        self.in_progress().senders.is_empty()
            && memory.available_permits() == limits.memory / KIB
            && workers.available_permits() == limits.workers
    }

    fn in_progress(&self) -> MutexGuard<'_, InProgress> {
        self.0.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InProgress {
    fn state_of(&mut self, sender: Sender, limits: &LargeBodyLimits) -> &mut SenderState {
        self.senders.entry(sender).or_insert_with(|| SenderState {
            permits: Arc::new(Semaphore::new(limits.bodies_per_sender)),
            bodies: 0,
            waiting: 0,
            bytes: 0,
            turns: Arc::new(Semaphore::new(limits.turns_per_sender)),
        })
    }

    /// Removes one of the sender's bodies.
    fn remove_body(&mut self, sender: Sender) {
        if let Some(state) = self.senders.get_mut(&sender) {
            state.bodies -= 1;
            if state.bodies == 0 {
                self.senders.remove(&sender);
            }
        }
    }
}

/// One body in progress. Dropping it releases its bytes.
#[derive(Debug)]
pub struct LargeBody {
    bodies: LargeBodies,
    sender: Sender,
    bytes: usize,
    turns: Arc<Semaphore>,
    _permit: OwnedSemaphorePermit,
}

impl LargeBody {
    /// Counts more bytes, before they are copied.
    ///
    /// # Errors
    /// [`Rejection::TooManyConcurrent`] when the sender has too many bytes in memory or sends too fast,
    /// [`Rejection::Unavailable`] when all senders together have too many bytes in memory.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Rejection> {
        let sent = NonZeroU32::new(u32::try_from(bytes).unwrap_or(u32::MAX));
        if let (Some(limiter), Some(sent)) = (&self.bodies.0.sent, sent)
            && !matches!(limiter.check_key_n(&self.sender, sent), Ok(Ok(())))
        {
            return Err(Rejection::TooManyConcurrent);
        }
        let limits = &self.bodies.0.limits;
        let mut in_progress = self.bodies.in_progress();
        if bytes > limits.bytes.saturating_sub(in_progress.bytes) {
            return Err(Rejection::Unavailable);
        }
        let Some(state) = in_progress.senders.get_mut(&self.sender) else { return Err(Rejection::Internal) };
        if bytes > limits.bytes_per_sender.saturating_sub(state.bytes) {
            return Err(Rejection::TooManyConcurrent);
        }
        state.bytes += bytes;
        in_progress.bytes += bytes;
        drop(in_progress);
        self.bytes += bytes;
        Ok(())
    }

    /// Waits for a turn of the sender, and for this many bytes of memory. More than there are count as all of them.
    ///
    /// # Errors
    /// [`Rejection::Unavailable`] when the service stops.
    pub async fn turn(self, memory: usize) -> Result<AdmittedBody, Rejection> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Rejection::Unavailable)?;
        let inner = &self.bodies.0;
        let permits = permits(memory.min(inner.limits.memory));
        let memory = Arc::clone(&inner.memory).acquire_many_owned(permits).await.map_err(|_| Rejection::Unavailable)?;
        Ok(AdmittedBody { body: self, _turn: turn, memory })
    }

    fn release_bytes(&mut self) {
        let mut in_progress = self.bodies.in_progress();
        in_progress.bytes -= self.bytes;
        if let Some(state) = in_progress.senders.get_mut(&self.sender) {
            state.bytes -= self.bytes;
        }
        drop(in_progress);
        self.bytes = 0;
    }
}

impl Drop for LargeBody {
    fn drop(&mut self) {
        self.release_bytes();
        let mut in_progress = self.bodies.in_progress();
        in_progress.remove_body(self.sender);
        let is_idle = in_progress.senders.is_empty();
        drop(in_progress);
        // Forgets senders that have their full rate again.
        if let Some(limiter) = self.bodies.0.sent.as_ref().filter(|_| is_idle) {
            limiter.retain_recent();
        }
    }
}

impl Meter for LargeBody {
    fn received(&mut self, bytes: usize) -> Result<(), Rejection> {
        self.hold(bytes)
    }
}

/// A body that may be processed.
#[derive(Debug)]
pub struct AdmittedBody {
    body: LargeBody,
    _turn: OwnedSemaphorePermit,
    memory: OwnedSemaphorePermit,
}

impl AdmittedBody {
    /// Runs the work on a blocking thread when a worker is free. The work must be bounded, because it continues when
    /// the future is dropped. Until it ends, the turn's permits stay taken.
    ///
    /// # Errors
    /// [`Rejection::Internal`] when the work panics, [`Rejection::Unavailable`] when the service stops.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(Self, T), Rejection> {
        let workers = Arc::clone(&self.body.bodies.0.workers);
        let worker = workers.acquire_owned().await.map_err(|_| Rejection::Unavailable)?;
        let span = tracing::Span::current();
        let low_priority = self.body.bodies.0.low_priority.clone();
        let task = low_priority.spawn_blocking(move || {
            let done = span.in_scope(work);
            drop(worker);
            (self, done)
        });
        task.await.map_err(|error| {
            if error.is_panic() {
                tracing::error!("http.large_body_work_panicked");
                Rejection::Internal
            } else {
                Rejection::Unavailable
            }
        })
    }

    /// Releases the memory beyond this many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let surplus = self.memory.num_permits().saturating_sub(bytes.div_ceil(KIB));
        drop(self.memory.split(surplus));
    }

    /// Stops counting the body's own bytes, because they have been dropped.
    pub fn body_dropped(&mut self) {
        self.body.release_bytes();
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes / KIB).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    const LIMITS: LargeBodyLimits = LargeBodyLimits {
        bodies_per_sender: 3,
        bytes_per_sender: 10,
        bytes: 15,
        turns_per_sender: 1,
        memory: 8 * KIB,
        workers: 1,
        wait: std::time::Duration::ZERO,
        rate: None,
    };

    fn sender(org: u128, is_public: bool) -> Sender {
        Sender { org: OrgId(Uuid::from_u128(org)), is_public }
    }

    #[test]
    fn bodies_and_bytes_are_counted_per_sender_and_replica() {
        let bodies = LargeBodies::new(LIMITS, LowPriority::default());
        let mut own: Vec<_> = (0..3).map(|_| bodies.admit(sender(1, false)).unwrap()).collect();
        assert_eq!(bodies.admit(sender(1, false)).unwrap_err(), Rejection::TooManyConcurrent);
        own[0].hold(6).unwrap();
        own[1].hold(4).unwrap();
        assert_eq!(own[2].hold(1), Err(Rejection::TooManyConcurrent));

        let mut public = bodies.admit(sender(1, true)).unwrap();
        public.hold(5).unwrap();
        assert_eq!(public.hold(1), Err(Rejection::Unavailable));
        drop(own.remove(0));
        public.hold(1).unwrap();
        drop((own, public));
        assert!(bodies.is_idle());
    }

    #[test]
    fn a_sender_that_sends_too_fast_is_rejected_and_no_other() {
        let one = |bytes| NonZeroU32::new(bytes).unwrap();
        let rate = SendingRate { bytes_per_second: one(1), burst: one(100) };
        let bodies = LargeBodies::new(
            LargeBodyLimits { rate: Some(rate), bytes_per_sender: 1_000, bytes: 1_000, ..LIMITS },
            LowPriority::default(),
        );
        for _ in 0..10 {
            bodies.admit(sender(1, false)).unwrap().hold(10).unwrap();
        }
        let mut body = bodies.admit(sender(1, false)).unwrap();
        assert_eq!(body.hold(10), Err(Rejection::TooManyConcurrent));
        bodies.admit(sender(2, false)).unwrap().hold(100).unwrap();
        drop(body);
        assert!(bodies.is_idle());
    }

    #[tokio::test]
    async fn a_dropped_future_returns_everything_wherever_it_waits() {
        let bodies = LargeBodies::new(LIMITS, LowPriority::default());
        let body = |org| bodies.admit(sender(org, false)).unwrap();
        let mut first = body(1).turn(6 * KIB).now_or_never().unwrap().unwrap();
        assert!(body(1).turn(KIB).now_or_never().is_none(), "the sender's only turn is taken");
        assert!(body(2).turn(4 * KIB).now_or_never().is_none(), "2 KiB remain");
        first.shrink_to(KIB);
        let second = body(2).turn(4 * KIB).now_or_never().unwrap().unwrap();

        // Work that has begun uses the only worker until it ends, even if its future is dropped.
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (end, may_end) = std::sync::mpsc::channel::<()>();
        let work = move || {
            begun.send(()).unwrap();
            let _ = may_end.recv();
        };
        let mut running = Box::pin(first.run(work));
        assert!(running.as_mut().now_or_never().is_none());
        has_begun.recv().unwrap();
        drop(running);
        assert!(second.run(|| ()).now_or_never().is_none(), "the only worker is taken");
        assert!(!bodies.is_idle());
        end.send(()).unwrap();
        let third = body(3).turn(usize::MAX).await.unwrap();
        let (third, sum) = third.run(|| 1 + 1).await.unwrap();
        assert_eq!(sum, 2);
        drop(third);
        assert!(bodies.is_idle());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_returns_everything() {
        let bodies = LargeBodies::new(LIMITS, LowPriority::default());
        let turn = bodies.admit(sender(1, false)).unwrap().turn(KIB).await.unwrap();
        assert_eq!(turn.run(|| panic!("on purpose")).await.map(|_| ()), Err(Rejection::Internal));
        assert!(bodies.is_idle());
    }
}
