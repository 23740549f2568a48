//! The schedule of the worker, and how it stops.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Webhooks;
use super::pace::{Pace, Paces};
use crate::domain::WebhookId;
use crate::store::admin::AdminError;

/// Time limit for current posts after the service stops. The others are attempted again by another replica, or after
/// the next start.
const GRACE: Duration = Duration::from_secs(5);
/// Time limit of one look, in case the database's connections hang.
const LOOK: Duration = Duration::from_secs(30);

/// The current rounds and their endpoints. An endpoint has at most one, so that a slow one does not delay others.
#[derive(Default)]
struct Rounds {
    tasks: JoinSet<Pace>,
    endpoints: HashMap<Id, WebhookId>,
    paces: Paces,
}

impl Rounds {
    fn busy(&self) -> Vec<WebhookId> {
        self.endpoints.values().copied().collect()
    }

    fn begin(&mut self, endpoint: WebhookId, round: impl Future<Output = Pace> + Send + 'static) {
        self.endpoints.insert(self.tasks.spawn(round).id(), endpoint);
    }

    /// Waits until a round is over, and removes it and all others that are over. Never resolves if there is none.
    async fn ended(&mut self) {
        let Some(first) = self.tasks.join_next_with_id().await else { return std::future::pending().await };
        self.end(first);
        while let Some(next) = self.tasks.try_join_next_with_id() {
            self.end(next);
        }
    }

    fn end(&mut self, ended: Result<(Id, Pace), JoinError>) {
        let (id, pace) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "webhook.round_lost");
            (error.id(), Pace::Slow)
        });
        if let Some(endpoint) = self.endpoints.remove(&id) {
            self.paces.remember(endpoint, pace);
        }
    }
}

impl Webhooks {
    /// Delivers until the service stops, and then lets the current rounds end.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut rounds = Rounds::default();
        let mut settled = false;
        while !stop.is_cancelled() {
            let looked = tokio::select! {
                () = stop.cancelled() => break,
                looked = timeout(LOOK, self.look(&mut settled, &mut rounds)) => looked,
            };
            let pause = match looked {
                Ok(Ok(pause)) => pause,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "webhook.failed");
                    self.settings.poll_unregistered
                }
                Err(error) => {
                    tracing::warn!(%error, "webhook.failed");
                    self.settings.poll_unregistered
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = rounds.ended() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if timeout(GRACE, async { while rounds.tasks.join_next().await.is_some() {} }).await.is_err() {
            tracing::info!(rounds = rounds.tasks.len(), "webhook.cut_off");
        }
    }

    /// Queues deliveries and begins rounds, without waiting for endpoints. Returns when to look again.
    async fn look(&self, settled: &mut bool, rounds: &mut Rounds) -> Result<Duration, AdminError> {
        if !*settled {
            self.admin.settle_webhooks().await?;
            *settled = true;
        }
        let waiting = self.admin.webhooks_waiting(self.clock.now()).await?;
        if !waiting.registered {
            return Ok(self.settings.poll_unregistered);
        }
        let behind = waiting.behind && self.fan_out().await?;
        // What this writes to the feed is read at the next look.
        let more = waiting.expiring && self.report_expiries().await? || behind;
        let scan_began = Instant::now();
        let scanned = waiting.scanning && self.scan_expiries().await?;
        if waiting.behind || waiting.due {
            for round in self.lease(&rounds.busy(), &rounds.paces).await? {
                let worker = self.clone();
                rounds.begin(round.endpoint, async move { round.run(&worker).await });
            }
        }
        // A scan takes at most half of the time, because deliveries come first.
        let pause = if scanned { scan_began.elapsed().min(self.settings.poll) } else { self.settings.poll };
        Ok(if more { Duration::ZERO } else { pause })
    }
}
