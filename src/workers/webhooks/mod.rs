//! Webhooks: what happens to sessions is posted to the endpoints that organizations registered.
//!
//! Two steps, each safe to be cut off anywhere and to be done by every replica at once. The feed of sessions becomes
//! deliveries ([`Webhooks::fan_out`]): an entry once per endpoint. A delivery is leased, posted, and its outcome written
//! down ([`Webhooks::deliver`]): whoever dies in between leaves a lease that runs out, and the delivery is attempted
//! again under the same id. So every event arrives at least once.

mod attempt;
mod rhythm;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;

use crate::domain::{Clock, DialectName, Mint, WebhookId};
use crate::outbound::{Client, NoTls, PrivateAddresses};
use crate::store::admin::{AdminError, AdminStore, Leased};

/// Whose sessions are told of.
const DIALECT: DialectName = DialectName::Agntix;
/// How long a lease holds: longer than any attempt takes.
pub const LEASE: TimeDelta = TimeDelta::seconds(60);
/// Endpoints that one replica posts to at once, and deliveries to each: together its open connections.
const MOST_ENDPOINTS: usize = 64;
const PER_ENDPOINT: usize = 4;

/// How endpoints are treated.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    pub private_addresses: PrivateAddresses,
    /// How long a connection may take: name look-up, TCP and TLS together.
    pub connect: Duration,
    /// How long an endpoint may take to answer, connection included; well below [`LEASE`].
    pub answer: Duration,
    /// How long something that happened may wait to be noticed.
    pub poll: Duration,
    /// The same as long as nobody has registered an endpoint.
    pub poll_unregistered: Duration,
}

impl Default for WebhookSettings {
    /// The vendor waits 15 seconds (apis/agntix, section 7).
    fn default() -> Self {
        Self {
            private_addresses: PrivateAddresses::Refused,
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(15),
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

    /// Writes down a batch of what endpoints are to be told; how many of them moved on.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn fan_out(&self) -> Result<usize, AdminError> {
        self.admin.fan_out(DIALECT, self.clock.now(), &self.mint).await
    }

    /// Attempts a batch of what is due, and waits for all of it; how many attempts that were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn deliver(&self) -> Result<usize, AdminError> {
        let rounds = self.lease(&[]).await?;
        Ok(join_all(rounds.into_iter().map(|round| round.run(self))).await.into_iter().sum())
    }

    /// Leases what is due to endpoints that are not busy, a round for each of them.
    async fn lease(&self, busy: &[WebhookId]) -> Result<Vec<Round>, AdminError> {
        let endpoints = MOST_ENDPOINTS.saturating_sub(busy.len());
        let leased = self.admin.lease_deliveries(self.clock.now(), LEASE, busy, endpoints, PER_ENDPOINT).await?;
        let mut rounds: BTreeMap<WebhookId, Vec<Leased>> = BTreeMap::new();
        for delivery in leased {
            rounds.entry(delivery.webhook).or_default().push(delivery);
        }
        Ok(rounds.into_iter().map(|(endpoint, deliveries)| Round { endpoint, deliveries }).collect())
    }
}

/// What one endpoint is told at once.
struct Round {
    endpoint: WebhookId,
    deliveries: Vec<Leased>,
}

impl Round {
    /// Posts all of it; how much that was.
    async fn run(self, webhooks: &Webhooks) -> usize {
        join_all(self.deliveries.iter().map(|delivery| webhooks.attempt(delivery))).await.len()
    }
}
