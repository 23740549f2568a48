//! The store for the command line and the workers: it sees every organization, as `sessionary_system`.

mod agents;
mod api_keys;
mod audit;
mod audit_stream;
mod captures;
mod console_links;
mod erasure;
mod erasures;
mod feed;
mod idempotency;
mod key_sets;
mod leaks;
mod organizations;
mod sealing;
mod sessions;
mod usage_days;
mod users;
mod webhooks;

pub use agents::NewAvatar;
pub use api_keys::{ExpiringKey, KeyRow, NewKey, Replacement};
pub use audit_stream::UnsentEntries;
pub use captures::{IndexBatch, NotedBatch, RebuiltBatch, SettledBatch};
pub use erasure::Erased;
pub(super) use erasures::first_step as first_erasure_step;
pub use erasures::{
    Counts, ErasureProgress, NewErasure, Preview, Receipt, RetentionRule, RetentionSettings, SETTLED_AFTER, Subject,
};
pub(in crate::store) use erasures::{events_of, next_old};
pub use organizations::{NewOrganization, OrganizationDetails, OrganizationRow, OrganizationSettings, as_bytes};
pub use sealing::{DataKeyCount, Resealed, SealingStatus};
pub use sessions::{EventRow, Page};
pub use webhooks::{
    Attempted, Backlog, DeliveryRow, EndpointChange, LeaseTerms, Leased, NewWebhook, Next, Waiting, WebhookRow,
};

use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use sqlx::postgres::PgConnectOptions;

pub use super::AuditRow;
use super::database::SYSTEM_ACQUIRE_TIMEOUT;
use super::error::violates;
use super::shards::{Link, ShardId, ShardPool, Shards};
use super::{Database, DatabaseError, DatabaseRole, StoreError};
use crate::domain::sealing::SealingKeys;
use crate::domain::{Actor, KeyId, OrgId, WebhookId};
pub(super) use erasures::{ErasureStep, ReceiptRow, receipt};

/// Why an administrator's request cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("that {0} is taken")]
    Taken(&'static str),
    #[error("{0} is the key of one agent and the number of another; use the UUID")]
    AmbiguousAgent(String),
    #[error("API key {0} has been revoked or has expired, so that nothing uses it; create another")]
    KeyHasEnded(KeyId),
    #[error("webhook {0} is disabled, because its endpoint responded with 410; enable it first")]
    WebhookDisabled(WebhookId),
    #[error(
        "the organization is under a legal hold, so that nothing is erased; `org retention ORG --hold off` ends it"
    )]
    LegalHold,
    #[error("the organization is enabled; disable it first with `org disable`, so that nothing is added meanwhile")]
    OrganizationEnabled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AdminError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<serde_json::Error> for AdminError {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Converts the error of a write. A violated constraint that is listed in `words` becomes [`AdminError::Taken`] with
/// its word.
fn taken(error: sqlx::Error, words: &[(&str, &'static str)]) -> AdminError {
    match words.iter().find(|(constraint, _)| violates(&error, constraint)) {
        Some((_, word)) => AdminError::Taken(word),
        None => error.into(),
    }
}

/// Two connections, because a long export reads on one while it writes on the other.
const CONNECTIONS: u32 = 2;
/// One more for the workers, because making a block of the search index takes one for a second or two.
const WORKER_CONNECTIONS: u32 = 3;

/// Connections that see every organization. Never reachable from a request.
#[derive(Clone)]
pub struct AdminStore {
    shards: Arc<Shards<ShardPool>>,
    /// The only shard of a store that is narrowed to one.
    only: Option<ShardPool>,
    /// Where the tables are that have no organization.
    home: ShardPool,
    /// Whose acts they are that the audit log records.
    actor: Arc<Actor>,
    /// The keys that secrets are sealed with; `None` stores them in clear.
    sealing: Option<SealingKeys>,
}

impl AdminStore {
    /// Connects for the command line.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(database: &Database) -> Result<Self, DatabaseError> {
        Self::with(database, CONNECTIONS, Database::system_options).await
    }

    /// Connects for the workers. Their statements have a time limit, unlike a command's export.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect_workers(database: &Database) -> Result<Self, DatabaseError> {
        Self::with(database, WORKER_CONNECTIONS, Database::worker_options).await
    }

    async fn with(
        database: &Database,
        connections: u32,
        options: fn(&Database) -> PgConnectOptions,
    ) -> Result<Self, DatabaseError> {
        let make = move |link: Link| {
            let pool = async move {
                if link.shard().is_some() {
                    return Ok(ShardPool::lazy(&link, options, connections - 1, SYSTEM_ACQUIRE_TIMEOUT));
                }
                let pool = link.database().system_pool(connections, options).await?;
                Ok(ShardPool::of_one(pool, &link, options))
            };
            pool.boxed()
        };
        let shards = Shards::connect(database, DatabaseRole::System, Box::new(make)).await?;
        let home = if shards.are_many() {
            let link = Link::to(database.clone());
            ShardPool::of_one(database.system_pool(1, options).await?, &link, options)
        } else {
            (*shards.any()).clone()
        };
        Ok(Self { shards, only: None, home, actor: Arc::new(Actor::SERVICE), sealing: database.sealing().cloned() })
    }

    /// Returns one store for each shard, which sees only that shard. A database that is not distributed has one.
    #[must_use]
    pub fn each_shard(&self) -> Vec<Self> {
        if self.only.is_some() {
            return vec![self.clone()];
        }
        let shards = self.shards.all();
        shards.iter().map(|shard| Self { only: Some((*shard.part).clone()), ..self.clone() }).collect()
    }

    /// Returns a store that sees only the shard of an organization.
    #[must_use]
    pub fn shard_of(&self, org: OrgId) -> Self {
        Self { only: Some(self.pool(org)), ..self.clone() }
    }

    /// Returns the connections to the shard of an organization.
    fn pool(&self, org: OrgId) -> ShardPool {
        self.only.clone().unwrap_or_else(|| (*self.shards.of(org)).clone())
    }

    /// Returns the connections to the only shard of this store; to the first one if the store is not narrowed to one.
    fn here(&self) -> ShardPool {
        self.only.clone().unwrap_or_else(|| (*self.shards.any()).clone())
    }

    /// Returns the connections to where the tables are that have no organization.
    fn home(&self) -> &ShardPool {
        &self.home
    }

    /// Does the same in every shard. Returns the results in the order of the shards.
    ///
    /// # Errors
    /// The last error, after it was done in all shards.
    async fn everywhere<T, F>(&self, act: impl Fn(Self) -> F) -> Result<Vec<T>, AdminError>
    where
        F: Future<Output = Result<T, AdminError>>,
    {
        let acts = futures::future::join_all(self.each_shard().into_iter().map(act)).await;
        let mut results = Vec::with_capacity(acts.len());
        let mut failed = None;
        for result in acts {
            match result {
                Ok(result) => results.push(result),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(results), Err)
    }

    /// Acts in the shard that has what is named by an id alone. Asks all shards at once, because one that cannot be
    /// reached must not delay the others.
    ///
    /// # Errors
    /// That of the action in its shard; otherwise that of a shard which could not be asked, because it may have it;
    /// [`AdminError::NotFound`] when no shard has it.
    async fn in_its_shard<T, F>(&self, act: impl Fn(Self) -> F) -> Result<T, AdminError>
    where
        F: Future<Output = Result<T, AdminError>>,
    {
        let mut acts: FuturesUnordered<F> = self.each_shard().into_iter().map(act).collect();
        let mut failed = AdminError::NotFound("shard");
        while let Some(result) = acts.next().await {
            match result {
                Err(error @ AdminError::NotFound(_)) if matches!(failed, AdminError::NotFound(_)) => failed = error,
                Err(AdminError::NotFound(_)) => {}
                Err(error @ AdminError::Store(_)) => failed = error,
                result => return result,
            }
        }
        Err(failed)
    }

    /// Returns the numbers of all shards.
    #[must_use]
    pub fn shard_numbers(&self) -> Vec<Option<ShardId>> {
        self.shards.numbers()
    }

    /// Resolves when there are other shards than these, because one was split. Never resolves if the database is not
    /// distributed.
    pub async fn shards_differ_from(&self, seen: &[Option<ShardId>]) {
        self.shards.differ_from(seen).await;
    }

    /// Returns whether an error may be that of one node while the others can be used.
    #[must_use]
    pub fn may_go_on_after(&self, error: &AdminError) -> bool {
        self.shards.are_many() && matches!(error, AdminError::Store(StoreError::Unavailable))
    }

    pub async fn close(&self) {
        self.shards.close().await;
        self.home.close().await;
    }
}
