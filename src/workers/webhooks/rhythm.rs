//! When the worker looks, and how it stops.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Webhooks;
use crate::domain::WebhookId;
use crate::store::admin::AdminError;

/// How long what is being posted may go on once the service stops. The rest is attempted again by another replica, or
/// by the next start.
const GRACE: Duration = Duration::from_secs(5);

/// The rounds that are under way, and whose they are: an endpoint has one at most, so that a slow one holds up no other.
#[derive(Default)]
struct Rounds {
    tasks: JoinSet<usize>,
    endpoints: HashMap<Id, WebhookId>,
}

impl Rounds {
    fn busy(&self) -> Vec<WebhookId> {
        self.endpoints.values().copied().collect()
    }

    /// Waits until one is over; for ever where there is none.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, _))) => {
                self.endpoints.remove(&id);
            }
            Some(Err(error)) => {
                tracing::error!(%error, "webhook.round_lost");
                self.endpoints.remove(&error.id());
            }
        }
    }
}

impl Webhooks {
    /// Delivers until the service stops, and then lets what is under way end.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut rounds = Rounds::default();
        let mut settled = false;
        while !stop.is_cancelled() {
            let pause = match self.look(&mut settled, &mut rounds).await {
                Ok(pause) => pause,
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

    /// Does what there is to do, without waiting for endpoints; when to look again.
    async fn look(&self, settled: &mut bool, rounds: &mut Rounds) -> Result<Duration, AdminError> {
        if !*settled {
            self.admin.settle_webhooks().await?;
            *settled = true;
        }
        let waiting = self.admin.webhooks_waiting(self.clock.now()).await?;
        if !waiting.registered {
            return Ok(self.settings.poll_unregistered);
        }
        let moved = waiting.behind && self.fan_out().await? > 0;
        if moved || waiting.due {
            for round in self.lease(&rounds.busy()).await? {
                let (endpoint, worker) = (round.endpoint, self.clone());
                let task = rounds.tasks.spawn(async move { round.run(&worker).await });
                rounds.endpoints.insert(task.id(), endpoint);
            }
        }
        Ok(if moved { Duration::ZERO } else { self.settings.poll })
    }
}
