//! Webhooks: posts the events of sessions to the endpoints that organizations registered.
//!
//! There are a few steps. Each can be interrupted at any time, and every replica can run it at once. First, entries of
//! the session feed become deliveries ([`Webhooks::fan_out`]), one per endpoint. Then a delivery is leased, posted, and
//! its outcome stored ([`Webhooks::deliver`]). Expiries, which no request writes to the feed, are written to it
//! ([`Webhooks::report_expiries`]). If a replica dies in between, its lease runs out, and the delivery is
//! attempted again under the same id. So every event arrives at least once.

mod attempt;
mod pace;
mod rhythm;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use super::in_every_shard;
use crate::domain::{Clock, Mint, WebhookId};
use crate::outbound::{Client, NoTls, PrivateAddresses};
use crate::store::admin::{AdminError, AdminStore, LeaseTerms, Leased};
use attempt::Appetite;
use pace::{Pace, Paces};

/// The duration of a lease. It is longer than a round, which begins no attempt after the time limit for one response.
pub const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Deliveries that are posted to an endpoint at once. Multiplied by the endpoints, this is the limit of a replica's
/// open connections.
const AT_ONCE: usize = 8;
/// Deliveries per round of an endpoint that responds quickly, [`AT_ONCE`] of them at a time.
const PER_PROMPT_ENDPOINT: usize = 32;
/// The part of the time limit for a response within which an endpoint is quick: a fifth.
const SOON: u32 = 5;

/// Time limits and other settings for endpoints.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    pub private_addresses: PrivateAddresses,
    /// Time limit for a connection: name look-up, TCP and TLS together.
    pub connect: Duration,
    /// Time limit for an endpoint's response, including the connection; much shorter than [`LEASE`].
    pub response: Duration,
    /// Endpoints that one replica posts to at once. Recently slow ones get at most half of them.
    pub endpoints: usize,
    /// How often the worker looks for new events.
    pub poll: Duration,
    /// How often it looks while no endpoint is registered.
    pub poll_unregistered: Duration,
}

impl Default for WebhookSettings {
    /// The vendor waits 15 seconds (docs/dialects/agntix.md).
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Refused,
            connect: Duration::from_secs(5),
            response: Duration::from_secs(15),
            endpoints: 64,
            poll: Duration::from_secs(1),
            poll_unregistered: Duration::from_secs(5),
        }
    }
}

/// One replica's worker for webhooks. Clones share its HTTP client.
#[derive(Clone)]
pub struct Webhooks {
    admin: AdminStore,
    clock: Clock,
    mint: Mint,
    client: Client,
    settings: WebhookSettings,
}

impl Webhooks {
    /// Creates the worker.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(admin: AdminStore, clock: Clock, mint: Mint, settings: WebhookSettings) -> Result<Self, NoTls> {
        let client = Client::new(settings.private_addresses.clone(), settings.connect)?;
        Ok(Self { admin, clock, mint, client, settings })
    }

    /// Returns a worker for one shard of `shards`, with its share of the endpoints.
    #[must_use]
    pub(super) fn of_shard(&self, admin: AdminStore, shards: usize) -> Self {
        let endpoints = (self.settings.endpoints / shards.max(1)).max(2);
        Self { admin, settings: WebhookSettings { endpoints, ..self.settings.clone() }, ..self.clone() }
    }

    /// Queues a batch of deliveries. Returns `true` if there may be more than a batch.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn fan_out(&self) -> Result<bool, AdminError> {
        let fan_out =
            |shard: AdminStore| async move { shard.fan_out(self.clock.now(), &self.mint).await.map(u64::from) };
        Ok(in_every_shard(&self.admin, fan_out).await? > 0)
    }

    /// Writes a batch of the expiries that endpoints receive to the feed. Returns whether there was something to look at.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn report_expiries(&self) -> Result<bool, AdminError> {
        let report = |shard: AdminStore| async move { shard.report_expiries(self.clock.now()).await.map(u64::from) };
        Ok(in_every_shard(&self.admin, report).await? > 0)
    }

    /// Looks at a batch of the sessions that were there before an endpoint that receives expiries. Returns whether there
    /// was something to do.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn scan_expiries(&self) -> Result<bool, AdminError> {
        let scan = |shard: AdminStore| async move { shard.scan_expiries().await.map(u64::from) };
        Ok(in_every_shard(&self.admin, scan).await? > 0)
    }

    /// Attempts a batch of due deliveries, and waits for all of them. Returns the number of attempts.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn deliver(&self) -> Result<usize, AdminError> {
        let rounds = self.lease(&[], &Paces::default()).await?;
        let attempts = rounds.iter().map(|round| round.deliveries.len()).sum();
        join_all(rounds.into_iter().map(|round| round.run(self))).await;
        Ok(attempts)
    }

    /// Leases deliveries for endpoints that are not busy, and returns a round for each of them. The limit of endpoints
    /// is for all shards of this worker together.
    async fn lease(&self, busy: &[WebhookId], paces: &Paces) -> Result<Vec<Round>, AdminError> {
        let (prompt, slow) = (paces.of(Pace::Prompt), paces.of(Pace::Slow));
        let slow_and_busy = busy.iter().filter(|endpoint| slow.contains(endpoint)).count();
        let mut rounds: BTreeMap<WebhookId, Vec<Leased>> = BTreeMap::new();
        let mut failed = None;
        for shard in self.admin.each_shard() {
            let slow_and_leased = rounds.keys().filter(|endpoint| slow.contains(endpoint)).count();
            let terms = LeaseTerms {
                lease: LEASE,
                busy,
                prompt: &prompt,
                slow: &slow,
                endpoints: self.settings.endpoints.saturating_sub(busy.len() + rounds.len()),
                slow_endpoints: self.settings.endpoints.div_ceil(2).saturating_sub(slow_and_busy + slow_and_leased),
                per_endpoint: AT_ONCE,
                per_prompt_endpoint: PER_PROMPT_ENDPOINT,
            };
            if terms.endpoints == 0 {
                break;
            }
            match shard.lease_deliveries(self.clock.now(), &terms).await {
                Ok(mut leased) => {
                    leased.sort_by_key(|delivery| (delivery.queued_at, delivery.delivery.0));
                    for delivery in leased {
                        rounds.entry(delivery.webhook).or_default().push(delivery);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if rounds.is_empty() => return Err(error),
            // What the other shards have leased is posted.
            Some(error) => tracing::warn!(%error, "webhook.not_leased"),
            None => {}
        }
        Ok(rounds.into_iter().map(|(endpoint, deliveries)| Round { endpoint, deliveries }).collect())
    }
}

/// The deliveries of one endpoint until the next look.
struct Round {
    endpoint: WebhookId,
    deliveries: Vec<Leased>,
}

impl Round {
    /// Posts all deliveries, and returns the endpoint's pace. Those that are left when an endpoint stops responding or
    /// asks for a pause are attempted again after the lease has run out.
    async fn run(self, webhooks: &Webhooks) -> Pace {
        let (begun, limit) = (Instant::now(), webhooks.settings.response);
        let full = &AtomicBool::new(false);
        let more = |_: &Leased| begun.elapsed() < limit && !full.load(Ordering::Relaxed);
        let attempts = self.deliveries.into_iter().take_while(more).map(|delivery| async move {
            let (latency, appetite) = webhooks.attempt(&delivery).await;
            full.fetch_or(appetite == Appetite::NoMore, Ordering::Relaxed);
            latency
        });
        let latencies = stream::iter(attempts).buffer_unordered(AT_ONCE);
        let slowest = latencies.fold(Duration::ZERO, async |slowest, latency| slowest.max(latency)).await;
        if slowest <= limit / SOON { Pace::Prompt } else { Pace::Slow }
    }
}
