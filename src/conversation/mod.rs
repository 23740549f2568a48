//! A turn of a conversation: a message is stored, and what replies is heard to its end and stored.
//!
//! A turn goes on by itself. The client that waits for it, or reads along, may go away: the reply is stored all the
//! same. While it runs, the replica that works on it holds a lease on it, which is part of the session (`lease`), so
//! that every replica knows; the same message sent again waits for that turn (`join`) or continues one that ended
//! without a reply (`accept`). An interrupt, the end of the session, and a disabled agent or organization end a turn at
//! once, on whichever replica it runs: what had come of the reply is stored and marked.

mod accept;
mod closing;
mod join;
mod lease;
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
pub use outcome::{Completeness, Outcome, Part, ReplyMark, outcome, outcome_by};
pub use turn::Turn;

use crate::domain::{Clock, Mint, Quota};
use crate::responders::Responders;
use crate::store::TenantStore;

/// What can be heard of a turn, as it goes on.
pub type Parts = mpsc::Receiver<Part>;

/// Parts that wait for whoever reads along.
const BUFFERED_PARTS: usize = 256;
/// Streams that one organization may have open at once.
const STREAMS_PER_ORG: usize = 60;
/// Turns that one organization may have going at once.
const TURNS_PER_ORG: usize = 256;
/// How long work may take that runs to its end without its client: as long as a handler.
const RUN_TO_END_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last replies may take to be kept, once the time of grace has passed.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How long a reply may still take once the service begins to stop. What has come of it then is stored, and its client
/// is notified, while open requests may still finish.
pub const GRACE: Duration = Duration::from_secs(3);

/// The turns of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Conversations {
    responders: Responders,
    clock: Clock,
    /// For what need not be the same at every attempt at a request.
    mint: Mint,
    turns: TaskTracker,
    stop: CancellationToken,
    /// Ends every turn: some time after the service was told to stop.
    cut: CancellationToken,
    /// The turns of each organization that run.
    pub turn_permits: Quota,
    /// The open streams of each organization.
    pub stream_permits: Quota,
}

impl Conversations {
    /// Turns that end when `stop` and the time of `grace` after it have passed.
    #[must_use]
    pub fn new(responders: Responders, clock: Clock, stop: CancellationToken, grace: Duration) -> Self {
        let cut = CancellationToken::new();
        let (told, later) = (stop.clone(), cut.clone());
        tokio::spawn(async move {
            told.cancelled().await;
            tokio::time::sleep(grace).await;
            later.cancel();
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

    /// Begins a turn; what comes of it can be read along.
    pub fn begin(&self, store: TenantStore, turn: Turn) -> Parts {
        let (sender, parts) = mpsc::channel(BUFFERED_PARTS);
        let (this, cut) = (self.clone(), self.cut.clone());
        self.turns.spawn(async move { run::run(&this, &store, turn, sender, cut.cancelled()).await });
        parts
    }

    /// Cancelled once the service begins to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs work that must not stop half-way when its client closes the connection, such as storing a message and
    /// beginning its turn. Returns `None` when the work panicked or took longer than a handler may.
    pub async fn run_to_end<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let bounded = tokio::time::timeout(RUN_TO_END_TIMEOUT, work.in_current_span());
        self.turns.spawn(bounded).await.ok()?.ok()
    }

    /// Waits until every turn has ended: once the service was told to stop, for the rest of the time of grace and a few
    /// seconds for the last replies to be kept.
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
