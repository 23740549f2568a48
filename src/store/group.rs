//! Group commit: waiting requests are sent to Postgres together, and every caller gets its result after COMMIT.
//!
//! Each task owns a connection and takes all requests that have arrived since its last round. There is no timer, so an
//! idle service adds no delay, and a busy one needs one round trip and one fsync per batch. The guarantees:
//! - a caller gets its result only after COMMIT, and a caller that hangs up does not cancel its request;
//! - a request that Postgres rejects is found by bisection and fails alone;
//! - a connection lost at any moment, COMMIT included, is replaced and the batch is sent again: a [`Batch`] must
//!   therefore recognise what it has already done;
//! - the queue is bounded in requests and in bytes, and one organization can use at most a quarter of all queues of a
//!   kind;
//! - a batch is bounded in requests and in bytes;
//! - a task that panics continues with the next batch, because its queue would otherwise never be read again;
//! - closing the queue rejects new requests and finishes those that wait.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, QUEUE_LENGTH};
use super::error::{is_locked, is_too_long, is_transient, prevents_writes};
use super::permits::OrgPermit;
use super::readiness::WriteHealth;
use super::scope::WriterConnection;
use super::shards::{Link, is_moved};
use super::storage::StorageMeter;
use super::usage_days::{UsageMeter, Used};
use super::{Database, StoreError};
use crate::domain::OrgId;

/// Requests per statement. Larger batches gain little and hold their locks longer.
const BATCH_LENGTH: usize = 512;
/// Bytes per statement, unless a single request has more: a statement's parameters are in memory several times.
const BATCH_BYTES: u32 = 4 * 1024 * 1024;
/// How long a batch is retried while the database cannot be reached.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time limit of one attempt, after which its connection is dropped.
const ATTEMPT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A kind of request that is executed in groups.
pub(super) trait Batch: Send + Sync + 'static {
    /// Names the queue in the metrics.
    const NAME: &'static str;
    /// Whether a successful batch means that something was committed.
    const WRITES: bool = true;
    type Request: Send + Sync + 'static;
    type Answer: Send + 'static;
    /// What a task remembers of its writes while its connection lasts.
    type Memory: Default + Send;

    /// Returns the organization whose share of the queue the request uses.
    fn org(request: &Self::Request) -> OrgId;

    /// Returns how many bytes the request has, as far as the caller determines them.
    fn bytes(request: &Self::Request) -> usize;

    /// Returns how many bytes a request has stored, after it was executed.
    fn stored(request: &Self::Request, answer: &Self::Answer) -> usize;

    /// Returns what a request has used, after it was executed.
    fn used(_: &Self::Request, _: &Self::Answer) -> Option<Used> {
        None
    }

    /// Returns the route of a request. Requests of the same route are executed by the same task, in the order in which
    /// they arrived.
    fn route(request: &Self::Request) -> u64;

    /// Executes all requests in their order, or in one that gives the same results.
    ///
    /// May be called again with the same requests after a connection error, and with a part of them after any other
    /// error.
    fn run(
        writer: &mut WriterConnection<Self::Memory>,
        requests: &[&Self::Request],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, sqlx::Error>> + Send;
}

struct Waiting<B: Batch> {
    request: B::Request,
    bytes: u32,
    reply: oneshot::Sender<Result<B::Answer, StoreError>>,
    /// The permits of the organization's share and of the queue.
    _permits: (OrgPermit, OwnedSemaphorePermit),
}

/// Where the tasks report their results.
#[derive(Clone, Default)]
pub(super) struct Reports {
    /// Counts the bytes that they stored.
    pub storage: StorageMeter,
    /// Counts the sessions and events that they stored.
    pub usage: UsageMeter,
    /// Records whether their commits succeeded.
    pub health: Arc<WriteHealth>,
}

/// The queues of one shard and their tasks.
pub(super) struct Group<B: Batch> {
    queues: Vec<mpsc::Sender<Waiting<B>>>,
    budget: Budget,
    closing: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl<B: Batch> Group<B> {
    /// Starts `tasks` tasks, each with its own connection, made with `options` to where the link leads.
    pub fn start(
        link: &Link,
        options: fn(&Database) -> PgConnectOptions,
        tasks: usize,
        budget: &Budget,
        reports: &Reports,
    ) -> Self {
        let closing = CancellationToken::new();
        let (queues, handles) = (0..tasks)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
                let (link, reports) = (link.clone(), reports.clone());
                let worker = Worker::<B> { receiver, link, options, writer: None, reports };
                (sender, tokio::spawn(worker.run(closing.clone())))
            })
            .unzip();
        Self { queues, budget: budget.clone(), closing, tasks: Mutex::new(handles) }
    }

    /// Returns whether every task is still running.
    pub fn is_alive(&self) -> bool {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.iter().all(|task| !task.is_finished())
    }

    /// Queues the request as soon as there is room for its bytes, and waits for its result. Once it is queued, dropping
    /// the future does not cancel it.
    ///
    /// # Errors
    /// [`StoreError::OrgBusy`] when the organization's share of the queue is used up, [`StoreError::Busy`] when the
    /// queue is full, [`StoreError::Unavailable`] when it is closed or the database cannot be reached.
    pub async fn submit(&self, request: B::Request) -> Result<B::Answer, StoreError> {
        let bytes = Budget::weight(B::bytes(&request));
        let permits = self.budget.acquire(B::org(&request), bytes).await?;
        let queue = &self.queues[(B::route(&request) % self.queues.len() as u64) as usize];
        let (reply, answer) = oneshot::channel();
        queue.try_send(Waiting { request, bytes, reply, _permits: permits }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable,
        })?;
        answer.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Rejects new requests, finishes those that wait, and ends the tasks.
    pub async fn close(&self) {
        self.closing.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
    }
}

struct Worker<B: Batch> {
    receiver: mpsc::Receiver<Waiting<B>>,
    link: Link,
    options: fn(&Database) -> PgConnectOptions,
    writer: Option<WriterConnection<B::Memory>>,
    reports: Reports,
}

impl<B: Batch> Worker<B> {
    async fn run(mut self, closing: CancellationToken) {
        let sizes = metrics::histogram!("sessionary_batch_size", "queue" => B::NAME);
        let depth = metrics::gauge!("sessionary_queue_depth", "queue" => B::NAME);
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = closing.cancelled(), if !self.receiver.is_closed() => self.receiver.close(),
                taken = self.receiver.recv_many(&mut batch, BATCH_LENGTH) => {
                    if taken == 0 {
                        break;
                    }
                    sizes.record(taken as f64);
                    depth.set(self.receiver.len() as f64);
                    self.answer_or_recover(batch).await;
                }
            }
        }
    }

    /// Executes a batch. After a panic its callers get [`StoreError::Unavailable`], and the task continues with the
    /// next batch.
    async fn answer_or_recover(&mut self, batch: Vec<Waiting<B>>) {
        if AssertUnwindSafe(self.answer(batch)).catch_unwind().await.is_err() {
            self.writer = None;
            metrics::counter!("sessionary_batch_panics_total", "queue" => B::NAME).increment(1);
            tracing::error!(queue = B::NAME, "store.batch_panicked");
        }
    }

    /// Executes a batch in parts of bounded size. A part that Postgres rejects is halved until the rejected request is
    /// alone.
    async fn answer(&mut self, batch: Vec<Waiting<B>>) {
        let mut parts = parts_of(batch);
        parts.reverse();
        while let Some(mut part) = parts.pop() {
            match self.attempt(&part).await {
                Ok(answers) => {
                    debug_assert_eq!(answers.len(), part.len());
                    for (waiting, answer) in part.into_iter().zip(answers) {
                        self.reports.storage.add(B::org(&waiting.request), B::stored(&waiting.request, &answer));
                        if let Some(used) = B::used(&waiting.request, &answer) {
                            self.reports.usage.add(&used);
                        }
                        // A caller that hung up does not receive it.
                        let _ = waiting.reply.send(Ok(answer));
                    }
                }
                Err(StoreError::Rejected(_)) if part.len() > 1 => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Err(error) => {
                    for waiting in part {
                        let _ = waiting.reply.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// Sends a batch until Postgres has accepted or rejected it, or [`PATIENCE`] is over.
    async fn attempt(&mut self, batch: &[Waiting<B>]) -> Result<Vec<B::Answer>, StoreError> {
        let requests: Vec<&B::Request> = batch.iter().map(|waiting| &waiting.request).collect();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.once(&requests).await {
                Ok(answers) => {
                    if B::WRITES {
                        self.reports.health.succeeded();
                    }
                    return Ok(answers);
                }
                Err(error) => error,
            };
            // A statement that takes or waits too long counts as rejected, so that half of it is tried.
            let is_slow = is_too_long(&error) || is_locked(&error);
            if self.link.shard().is_some() && is_moved(&error) {
                self.writer = None;
                if Instant::now() >= deadline {
                    return Err(StoreError::Unavailable);
                }
                self.link.refreshed().await;
                continue;
            }
            if self.link.shard().is_some() && error.as_database_error().is_none() {
                // Its transaction may be open, and would hold the shard where it is.
                self.writer = None;
            }
            if !is_transient(&error) || is_slow && requests.len() > 1 {
                return Err(StoreError::Rejected(Arc::new(error)));
            }
            if is_locked(&error) {
                return Err(StoreError::Unavailable);
            }
            if B::WRITES && prevents_writes(&error) {
                self.reports.health.failed();
            }
            // The connection may be in any state, so the next attempt uses a new one.
            self.writer = None;
            tracing::warn!(queue = B::NAME, requests = requests.len(), %error, "store.batch_retried");
            if Instant::now() + pause >= deadline {
                return Err(StoreError::Unavailable);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&mut self, requests: &[&B::Request]) -> Result<Vec<B::Answer>, sqlx::Error> {
        let attempt = AssertUnwindSafe(async {
            let writer = match &mut self.writer {
                Some(writer) => writer,
                None => self.writer.insert(WriterConnection::connect(&self.link, self.options).await?),
            };
            B::run(writer, requests).await
        })
        .catch_unwind();
        match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(Ok(result)) => result,
            // A panic before Postgres is reached comes from a request that cannot be encoded. Bisection finds it.
            Ok(Err(_panic)) => {
                self.writer = None;
                Err(sqlx::Error::Encode("a request could not be encoded".into()))
            }
            Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Splits requests into batches of bounded size, in their order.
fn parts_of<B: Batch>(batch: Vec<Waiting<B>>) -> Vec<Vec<Waiting<B>>> {
    let total: u64 = batch.iter().map(|waiting| u64::from(waiting.bytes)).sum();
    if total <= u64::from(BATCH_BYTES) {
        return vec![batch];
    }
    let mut parts: Vec<Vec<Waiting<B>>> = Vec::new();
    let mut bytes = u32::MAX;
    for waiting in batch {
        bytes = bytes.saturating_add(waiting.bytes);
        if bytes > BATCH_BYTES {
            parts.push(Vec::new());
            bytes = waiting.bytes;
        }
        if let Some(part) = parts.last_mut() {
            part.push(waiting);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    enum Sized {}

    impl Batch for Sized {
        const NAME: &'static str = "sized";
        type Request = usize;
        type Answer = usize;
        type Memory = ();

        fn org(_: &usize) -> OrgId {
            OrgId(Uuid::nil())
        }

        fn bytes(request: &usize) -> usize {
            *request
        }

        fn stored(_: &usize, _: &usize) -> usize {
            0
        }

        fn route(_: &usize) -> u64 {
            0
        }

        async fn run(_: &mut WriterConnection, _: &[&usize]) -> Result<Vec<usize>, sqlx::Error> {
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn a_batch_is_cut_by_bytes_in_its_order() {
        let budget = Budget::new(1);
        let mut batch: Vec<Waiting<Sized>> = Vec::new();
        let mebibyte = 1024 * 1024;
        for size in [mebibyte, 3 * mebibyte, 1, 5 * mebibyte, 1, 2] {
            batch.push(Waiting {
                request: size as usize,
                bytes: size,
                reply: oneshot::channel().0,
                _permits: budget.acquire(OrgId(Uuid::nil()), 1).await.unwrap(),
            });
        }
        let parts: Vec<Vec<u32>> =
            parts_of(batch).iter().map(|part| part.iter().map(|waiting| waiting.bytes).collect()).collect();
        assert_eq!(parts, [vec![mebibyte, 3 * mebibyte], vec![1], vec![5 * mebibyte], vec![1, 2]]);
    }
}
