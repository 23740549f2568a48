//! A turn of a conversation: a message is stored, and the reply is read to its end and stored.
//!
//! A turn runs independently of its client: if the client that waits for the reply disconnects, the reply is stored all
//! the same. While a turn runs, its replica holds a lease on it. The lease is part of the session (`lease`), so that
//! every replica can read it. If a client sends the same message again, the request waits for the running turn (`join`)
//! or continues one that ended without a reply (`accept`). An interrupt, the end of the session, and a disabled agent
//! or organization end a turn at once, on whichever replica it runs. The part of the reply that has arrived by then is
//! stored and marked.

mod accept;
mod closing;
mod join;
mod lease;
mod once;
mod outcome;
mod retry;
mod run;
mod turn;
mod worker;

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use accept::{Accepted, Incoming, NotAccepted, PendingReply, Replier};
pub use lease::EndReason;
pub use once::NoReply;
pub use outcome::{Completeness, Outcome, Part, ReplyMark, outcome, outcome_by};
pub use turn::Turn;

use crate::domain::{Clock, Mint, Quota};
use crate::responders::Responders;
use crate::store::TenantStore;

/// The parts of a turn as they arrive.
pub type Parts = mpsc::Receiver<Part>;

/// Parts that are buffered for the reader of a turn.
const BUFFERED_PARTS: usize = 256;
/// Streams that one organization may have open at once.
const STREAMS_PER_ORG: usize = 60;
/// Turns that one organization may have running at once.
const TURNS_PER_ORG: usize = 256;
/// How long work may take that runs to its end without its client: as long as a handler may.
const RUN_TO_END_TIMEOUT: Duration = Duration::from_secs(30);
/// How long storing the last replies may take once the grace period has passed.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// The grace period: how long a reply may still take once the service begins to stop. The part that has arrived by then
/// is stored and the client is notified, while open requests may still finish.
pub const GRACE: Duration = Duration::from_secs(3);

/// The turns of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Conversations {
    responders: Responders,
    clock: Clock,
    /// For ids that may differ between two attempts at a request.
    mint: Mint,
    turns: TaskTracker,
    stop: CancellationToken,
    /// Ends every turn, once the grace period after `stop` has passed.
    cut: CancellationToken,
    /// Limits the running turns of each organization.
    pub turn_permits: Quota,
    /// Limits the open streams of each organization.
    pub stream_permits: Quota,
}

impl Conversations {
    /// Returns the turns of a replica, which all end when `grace` has passed after `stop` is cancelled.
    #[must_use]
    pub fn new(responders: Responders, clock: Clock, stop: CancellationToken, grace: Duration) -> Self {
        let cut = CancellationToken::new();
        let (stopping, ending) = (stop.clone(), cut.clone());
        tokio::spawn(async move {
            stopping.cancelled().await;
            tokio::time::sleep(grace).await;
            ending.cancel();
        });
        let (turn_permits, stream_permits) = (Quota::new(TURNS_PER_ORG), Quota::new(STREAMS_PER_ORG));
        Self {
            responders,
            clock,
            mint: Mint::system(),
            turns: TaskTracker::new(),
            stop,
            cut,
            turn_permits,
            stream_permits,
        }
    }

    /// Begins a turn, and returns the receiver of its parts.
    pub fn begin(&self, store: TenantStore, turn: Turn) -> Parts {
        let (sender, parts) = mpsc::channel(BUFFERED_PARTS);
        let (this, cut) = (self.clone(), self.cut.clone());
        self.turns.spawn(async move { run::run(&this, &store, turn, sender, cut.cancelled()).await });
        parts
    }

    /// Returns the token that is cancelled once the service begins to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs work that must not stop half-way when its client closes the connection, such as storing a message and
    /// beginning its turn. Returns `None` if the work panicked or took longer than a handler may.
    pub async fn run_to_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let bounded = tokio::time::timeout(RUN_TO_END_TIMEOUT, work.in_current_span());
        self.turns.spawn(bounded).await.ok()?.ok()
    }

    /// Waits until every turn has ended: after a stop at most until the grace period has passed, and five seconds more
    /// for storing the last replies.
    pub async fn close(&self) {
        self.turns.close();
        tokio::select! {
            () = self.turns.wait() => {}
            () = async { self.cut.cancelled().await; tokio::time::sleep(LAST_WRITES).await } => {
                tracing::warn!(turns = self.turns.len(), "conversation.not_ended");
            }
        }
    }
}
