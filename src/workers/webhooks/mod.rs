//! Webhooks: what happens to sessions is posted to the endpoints that organizations registered.
//!
//! Two steps, each safe to be cut off anywhere and to be done by every replica at once. The feed of sessions becomes
//! deliveries ([`Webhooks::fan_out`]): an entry once per endpoint. A delivery is leased, posted, and its outcome written
//! down ([`Webhooks::deliver`]): whoever dies in between leaves a lease that runs out, and the delivery is attempted
//! again under the same id. So every event arrives at least once.

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

use crate::domain::{Clock, DialectName, Mint, WebhookId};
use crate::outbound::{Client, NoTls, PrivateAddresses};
use crate::store::admin::{AdminError, AdminStore, LeaseTerms, Leased};
use attempt::Appetite;
use pace::{Pace, Paces};

/// Whose sessions are told of.
const DIALECT: DialectName = DialectName::Agntix;
/// How long a lease holds: longer than a round takes, which begins no attempt once the time for one answer is over.
pub const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Deliveries that are posted to an endpoint at once: times the endpoints, a replica's open connections.
const AT_ONCE: usize = 8;
/// Deliveries in a round of an endpoint that answers soon, [`AT_ONCE`] of them under way until it is through.
const PER_PROMPT_ENDPOINT: usize = 32;
/// The part of the time for an answer within which it comes soon: a fifth.
const SOON: u32 = 5;

/// How endpoints are treated.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    pub private_addresses: PrivateAddresses,
    /// How long a connection may take: name look-up, TCP and TLS together.
    pub connect: Duration,
    /// How long an endpoint may take to answer, connection included; well below [`LEASE`].
    pub answer: Duration,
    /// Endpoints that one replica posts to at once. Those that kept it waiting of late have half of it at most.
    pub endpoints: usize,
    /// How long something that happened may wait to be noticed.
    pub poll: Duration,
    /// The same as long as nobody has registered an endpoint.
    pub poll_unregistered: Duration,
}

impl Default for WebhookSettings {
    /// The vendor waits 15 seconds (docs/dialects/agntix.md).
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Refused,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(15),
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
    /// # Errors
    /// When the TLS of this machine cannot be set up.
    pub fn new(admin: AdminStore, clock: Clock, mint: Mint, settings: WebhookSettings) -> Result<Self, NoTls> {
        let client = Client::new(settings.private_addresses.clone(), settings.connect)?;
        Ok(Self { admin, clock, mint, client, settings })
    }

    /// Writes down a batch of what endpoints are to be told; whether there was more than that.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn fan_out(&self) -> Result<bool, AdminError> {
        self.admin.fan_out(DIALECT, self.clock.now(), &self.mint).await
    }

    /// Attempts a batch of what is due, and waits for all of it; how many attempts that were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn deliver(&self) -> Result<usize, AdminError> {
        let rounds = self.lease(&[], &Paces::default()).await?;
        let attempts = rounds.iter().map(|round| round.deliveries.len()).sum();
        join_all(rounds.into_iter().map(|round| round.run(self))).await;
        Ok(attempts)
    }

    /// Leases what is due to endpoints that are not busy, a round for each of them.
    async fn lease(&self, busy: &[WebhookId], paces: &Paces) -> Result<Vec<Round>, AdminError> {
        let (prompt, slow) = (paces.of(Pace::Prompt), paces.of(Pace::Slow));
        let slow_and_busy = busy.iter().filter(|endpoint| slow.contains(endpoint)).count();
        let terms = LeaseTerms {
            lease: LEASE,
            busy,
            prompt: &prompt,
            slow: &slow,
            endpoints: self.settings.endpoints.saturating_sub(busy.len()),
            slow_endpoints: self.settings.endpoints.div_ceil(2).saturating_sub(slow_and_busy),
            per_endpoint: AT_ONCE,
            per_prompt_endpoint: PER_PROMPT_ENDPOINT,
        };
        let mut leased = self.admin.lease_deliveries(self.clock.now(), &terms).await?;
        leased.sort_by_key(|delivery| (delivery.queued_at, delivery.delivery.0));
        let mut rounds: BTreeMap<WebhookId, Vec<Leased>> = BTreeMap::new();
        for delivery in leased {
            rounds.entry(delivery.webhook).or_default().push(delivery);
        }
        Ok(rounds.into_iter().map(|(endpoint, deliveries)| Round { endpoint, deliveries }).collect())
    }
}

/// What one endpoint is told until somebody looks again.
struct Round {
    endpoint: WebhookId,
    deliveries: Vec<Leased>,
}

impl Round {
    /// Posts all of it, and how soon that was answered. What an endpoint that stops answering leaves no time for, and what
    /// is left when it asks for a pause, is attempted again when the lease has run out.
    async fn run(self, webhooks: &Webhooks) -> Pace {
        let (begun, answer) = (Instant::now(), webhooks.settings.answer);
        let full = &AtomicBool::new(false);
        let more = |_: &Leased| begun.elapsed() < answer && !full.load(Ordering::Relaxed);
        let attempts = self.deliveries.into_iter().take_while(more).map(|delivery| async move {
            let (latency, appetite) = webhooks.attempt(&delivery).await;
            full.fetch_or(appetite == Appetite::NoMore, Ordering::Relaxed);
            latency
        });
        let latencies = stream::iter(attempts).buffer_unordered(AT_ONCE);
        let slowest = latencies.fold(Duration::ZERO, async |slowest, latency| slowest.max(latency)).await;
        if slowest <= answer / SOON { Pace::Prompt } else { Pace::Slow }
    }
}
