//! Group commit: whatever is waiting goes to Postgres as one statement, and every caller is answered after COMMIT.
//!
//! A few tasks each own a connection and take all that has come in since their last round. There is no timer, so an
//! idle service adds no delay, and a busy one pays for a round trip and an fsync once per batch. What has to hold:
//! - a caller is answered only after COMMIT, and one that hangs up does not cancel its request;
//! - a request that Postgres refuses is found by bisection and fails alone;
//! - a connection lost at any moment, COMMIT included, is replaced and the batch sent again: a [`Batch`] must
//!   therefore recognise what it has already done;
//! - the queue is bounded, and one organization can hold a quarter of it at most;
//! - closing the queue refuses new requests and finishes those that wait.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::StoreError;
use super::error::{is_too_long, is_transient};
use super::scope::Held;
use crate::domain::{OrgId, Share, Shares};

/// Requests that wait per task; past it callers are told to come back.
const QUEUE_LENGTH: usize = 4_096;
/// How much of all queues together one organization may fill.
const ORG_SHARE: usize = 4;
/// Requests per statement. Larger batches gain little and hold their locks longer.
const MOST_PER_BATCH: usize = 512;
/// How long a batch is tried again while the database cannot be reached.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one attempt may take before its connection is given up.
const ATTEMPT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One kind of request that is answered in groups.
pub(super) trait Batch: Send + Sync + 'static {
    /// Names the queue in the metrics.
    const NAME: &'static str;
    type Request: Send + Sync + 'static;
    type Answer: Send + 'static;

    /// Whose share of the queue the request takes.
    fn org(request: &Self::Request) -> OrgId;

    /// Requests of the same route are answered by the same task, in the order in which they came.
    fn route(request: &Self::Request) -> u64;

    /// Answers all requests in one transaction, in their order.
    ///
    /// May be called again with the same requests after an error of the connection, and with a part of them after
    /// any other error.
    fn run(
        held: &mut Held,
        requests: &[&Self::Request],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, sqlx::Error>> + Send;
}

struct Waiting<B: Batch> {
    request: B::Request,
    reply: oneshot::Sender<Result<B::Answer, StoreError>>,
    _place: Share,
}

/// The queue and its tasks.
pub(super) struct Group<B: Batch> {
    queues: Vec<mpsc::Sender<Waiting<B>>>,
    shares: Shares,
    closing: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl<B: Batch> Group<B> {
    /// Starts `tasks` tasks, each of which will own a connection made by `options`.
    pub fn start(options: &PgConnectOptions, tasks: usize) -> Self {
        let closing = CancellationToken::new();
        let (queues, handles) = (0..tasks)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
                let worker = Worker::<B> { receiver, options: options.clone(), held: None };
                (sender, tokio::spawn(worker.run(closing.clone())))
            })
            .unzip();
        let shares = Shares::new(QUEUE_LENGTH * tasks / ORG_SHARE);
        Self { queues, shares, closing, tasks: Mutex::new(handles) }
    }

    /// Queues the request and waits for its answer. Dropping the future does not take the request back.
    pub async fn submit(&self, request: B::Request) -> Result<B::Answer, StoreError> {
        let place = self.shares.take(B::org(&request)).ok_or(StoreError::Busy)?;
        let queue = &self.queues[(B::route(&request) % self.queues.len() as u64) as usize];
        let (reply, answer) = oneshot::channel();
        queue.try_send(Waiting { request, reply, _place: place }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable,
        })?;
        answer.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Refuses new requests, finishes those that wait, and ends the tasks.
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
    options: PgConnectOptions,
    held: Option<Held>,
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
                taken = self.receiver.recv_many(&mut batch, MOST_PER_BATCH) => {
                    if taken == 0 {
                        break;
                    }
                    sizes.record(taken as f64);
                    depth.set(self.receiver.len() as f64);
                    self.answer(batch).await;
                }
            }
        }
    }

    /// Answers a batch, halving it whenever Postgres refuses, until what is refused stands alone.
    async fn answer(&mut self, batch: Vec<Waiting<B>>) {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            match self.attempt(&part).await {
                Ok(answers) => {
                    debug_assert_eq!(answers.len(), part.len());
                    for (waiting, answer) in part.into_iter().zip(answers) {
                        // A caller that hung up is not there to hear it.
                        let _ = waiting.reply.send(Ok(answer));
                    }
                }
                Err(StoreError::Refused(_)) if part.len() > 1 => {
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

    /// Sends a batch until Postgres has answered it one way or the other, or patience ends.
    async fn attempt(&mut self, batch: &[Waiting<B>]) -> Result<Vec<B::Answer>, StoreError> {
        let requests: Vec<&B::Request> = batch.iter().map(|waiting| &waiting.request).collect();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.once(&requests).await {
                Ok(answers) => return Ok(answers),
                Err(error) => error,
            };
            // A statement that takes too long is refused, so that half of it is tried.
            if !is_transient(&error) || is_too_long(&error) && requests.len() > 1 {
                return Err(StoreError::Refused(Arc::new(error)));
            }
            // Whatever state the connection is in, the next attempt does not want it.
            self.held = None;
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
            let held = match &mut self.held {
                Some(held) => held,
                None => self.held.insert(Held::connect(&self.options).await?),
            };
            B::run(held, requests).await
        })
        .catch_unwind();
        match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(Ok(result)) => result,
            // A panic on the way to Postgres is a request of ours that cannot be written: let bisection find it.
            Ok(Err(_panic)) => {
                self.held = None;
                Err(sqlx::Error::Encode("a request could not be encoded".into()))
            }
            Err(_elapsed) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}
