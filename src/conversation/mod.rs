//! A turn of a conversation: somebody said something, and what answers is heard to its end and kept.
//!
//! A turn goes on by itself. Whoever waits for it, or reads along, may go away: the answer is kept all the same.

mod turn;
mod worker;

use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

pub use turn::{Part, Turn};

use crate::domain::{Clock, Shares};
use crate::responders::Responders;
use crate::store::TenantStore;

/// What can be heard of a turn, as it goes on.
pub type Parts = mpsc::Receiver<Part>;

/// Parts that wait for a reader. One who falls further behind is not told the rest; the answer is kept anyway.
const BUFFERED_PARTS: usize = 256;
/// Streams that one organization may have open at once.
const STREAMS_PER_ORG: usize = 60;
/// How long an answer may still take once the service is told to stop: less than open requests may.
pub const GRACE: Duration = Duration::from_secs(10);

/// The turns of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Conversations {
    responders: Responders,
    clock: Clock,
    turns: TaskTracker,
    stop: CancellationToken,
    grace: Duration,
    /// The open streams of each organization.
    pub streams: Shares,
}

impl Conversations {
    /// Turns that end when `stop` and the time of grace after it have passed.
    #[must_use]
    pub fn new(responders: Responders, clock: Clock, stop: CancellationToken, grace: Duration) -> Self {
        Self { responders, clock, turns: TaskTracker::new(), stop, grace, streams: Shares::new(STREAMS_PER_ORG) }
    }

    /// Begins a turn; what comes of it can be read along.
    pub fn begin(&self, store: TenantStore, turn: Turn) -> Parts {
        let (sender, parts) = mpsc::channel(BUFFERED_PARTS);
        let (this, stop, grace) = (self.clone(), self.stop.clone(), self.grace);
        self.turns.spawn(async move {
            let cut = async {
                stop.cancelled().await;
                tokio::time::sleep(grace).await;
            };
            turn::run(&this, &store, turn, sender, cut).await;
        });
        parts
    }

    /// Carries something out that must not stop halfway when its caller hangs up, such as keeping a message and
    /// beginning its turn. `None` when it panicked.
    pub async fn see_through<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.turns.spawn(work.in_current_span()).await.ok()
    }

    /// Waits until every turn has ended: within the grace period, once the service is told to stop.
    pub async fn close(&self) {
        self.turns.close();
        self.turns.wait().await;
    }
}
