//! The only module that talks to Postgres.
//!
//! [`Store`] serves requests. It logs in as `sessionary_app`, which owns no tables and sees only the organizations that
//! a transaction names. Handlers do not use it directly: authentication gives them a [`TenantStore`], which is narrowed
//! to the caller's organization. The command line and the workers use [`admin::AdminStore`], as `sessionary_system`.

#![allow(clippy::disallowed_methods, reason = "this is where the SQL is")]

pub mod admin;
mod advice;
mod agents;
mod api_keys;
mod audit;
mod avatars;
pub mod backup;
mod budget;
mod bytes;
mod captures;
mod console_logins;
mod contacts;
mod counts;
mod dashboard;
mod database;
mod directory;
mod distribute;
mod erasures;
mod error;
mod events;
mod exports;
mod feed;
mod flush;
mod group;
mod idempotency;
mod imports;
mod inspect;
mod key_uses;
mod keyset;
mod lookup_cache;
mod migrate;
mod nodes;
mod numbers;
mod own_organization;
mod permits;
mod pooler;
mod readiness;
mod rebalance;
mod recent;
mod retention;
mod schema;
mod scope;
mod sealing;
mod sessions;
mod shards;
mod signals;
mod storage;
mod store_shard;
mod tenant;
mod tls;
mod usage;
mod usage_days;
mod users;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

pub use agents::{AgentCreated, AgentFilter, AgentHeading, AgentName, AgentUpdate, Agents};
pub use api_keys::{ApiKeyCursor, ApiKeys, KeyPage, KeyReplaced, KeyReplacement, MAX_KEYS};
pub use audit::{AuditLog, AuditPosition, AuditRow, Fault, Head, Verified};
pub use avatars::{AvatarChanges, AvatarScope, Avatars, ImageSlice, StoredAvatar};
pub use bytes::{MAX_PAGE_BYTES, Page, PageLimit, Weighed, json_bytes};
pub use captures::{
    Breakdown, COMPARED_LIMIT, COUNT_LIMIT, CaptureFilter, CapturedRow, Captures, CarriedSpan, CheckpointRow, Cursor,
    Figure, Figures, Grain, LogKind, LogPage, MetadataRow, OPENED_LIMIT, Overview, SAMPLE, SCAN_BYTES, SpanOutcome,
    SpanRow, StoryEventRow, StoryPage, StoryRow, Unmerged,
};
pub use console_logins::{ConsoleLogin, ConsoleLogins, LoginHolder};
pub use contacts::{ContactCursor, ContactPage, Contacts, Kept};
pub use counts::COUNTS;
pub use dashboard::{ChartCursor, ChartRow, Dashboard, MemberRow};
pub use database::{Database, DatabaseError, LOOKUP_PLANS, SCAN_PLANS};
pub use directory::{Directory, KeyRecord};
pub use distribute::{DistributeError, Distributed};
pub use erasures::{ErasureCursor, ErasureRequested, Erasures};
pub use error::StoreError;
pub use events::{EventWindow, Events, Excerpt};
pub use exports::{
    ExportFilter, ExportPiece, ExportPosition, ExportedAgent, ExportedEvent, ExportedFacts, ExportedPart, Exports,
};
pub use feed::{Change, FOLLOWED_FOR, Feed, FeedPlace, Following};
pub use idempotency::{Claimed, Idempotency, KeyPlace, KeyedRequest, Reservation, StoredResponse};
pub use imports::{ImportOutcome, ImportedEvent, ImportedPart, ImportedSession, Imports};
pub use inspect::{DatabaseRole, Login, Server, TableIsolation};
pub use lookup_cache::LOOKUP_CACHE_TTL;
pub use migrate::{MigrateError, Migrated, allow_logins, create_database, migrate, migrate_distributed, provision};
pub use nodes::{NodeFacts, NodeState, NodesState};
pub use numbers::{Numbers, Series};
pub use own_organization::{OwnOrganization, OwnSettings};
pub use rebalance::{Rebalanced, rebalance};
pub use retention::{Retention, RetentionCounts};
pub use schema::{Schema, SchemaError, newest_migration, schema};
pub use sessions::{
    AcrossCursor, Among, AppendingChange, Appends, Census, Changed, CopiedEvents, CopySize, Created, CreationOrder,
    Examined, Fork, Forked, HEADING_CHARS, Heading, INDEX_TIMEOUT, MAX_COPIED_BYTES, MAX_COPIED_EVENTS, MAX_REQUIRED,
    Participants, SessionCursor, SessionFilter, SessionOrder, SessionPage, SessionQuery, SessionRow, SessionStretch,
    Sessions, TextMatch, UPDATED_WINDOW, WINDOW, Walk,
};
pub use shards::{Node, Placement, ShardId};
pub use signals::{TurnWatch, Woken};
pub use tenant::TenantStore;
pub use tls::Tls;
pub use usage::Usage;
pub use usage_days::{Amounts, CountedRequest, MAX_USAGE_GROUPS, USAGE_DAYS, UsageBy, UsageGroup};
pub use users::{COUNTED_SESSIONS, UserPage, UserRow, UserSessionPage, Users};
pub use webhooks::{Delivery, DeliveryResent, NewEndpoint, Webhook, WebhookCreated, WebhookState, Webhooks};

use crate::domain::sealing::SealingKeys;
use crate::domain::{OrgId, Organization};
use counts::Counts;
use group::Reports;
use key_uses::KeyUses;
use lookup_cache::LookupCache;
use numbers::Blocks;
use sessions::ParticipantsCache;
use shards::Shards;
use store_shard::{ACQUIRE_TIMEOUT, Budgets, Pools, StoreShard};

/// How much of the database one replica uses.
#[derive(Clone, Copy, Debug)]
pub struct StoreSettings {
    /// Tasks that create sessions, and as many that change them, each with its own connection. While one waits for its
    /// fsync, the others collect requests.
    pub writers: usize,
    /// Tasks that look up sessions, each with its own connection.
    pub readers: usize,
    /// Tasks that claim requests with an `Idempotency-Key` and store their responses, each with its own connection.
    pub keyed: usize,
    /// Connections for all other requests of organizations: lists, single rows, agents, contacts.
    pub pool: u32,
    /// Connections for queries that read many rows: searches, figures, exports, filters without an index.
    pub scans: u32,
    /// Connections that no organization can exhaust: for credentials, organizations and readiness.
    pub lookups: u32,
    /// How long look-ups are cached; zero turns the cache off.
    pub lookup_cache: Duration,
    /// How long counts over more than 1,000 rows are cached.
    pub counts: Duration,
    /// Bytes that an organization without its own quota may store.
    pub storage_quota: u64,
    /// How long a caller waits for a permit of its organization.
    pub permit_wait: Duration,
}

/// How long a caller waits for a permit of its organization.
const PERMIT_WAIT: Duration = Duration::from_secs(5);
/// Default limit of the bytes that an organization may store.
pub const STORAGE_QUOTA: u64 = 100 * 1024 * 1024 * 1024;

impl StoreSettings {
    /// Returns how much of a node one shard uses. A node has several, so it is the least of each kind.
    fn of_a_shard(self) -> Self {
        Self { writers: 1, readers: 1, keyed: 1, pool: self.pool.min(3), scans: 1, lookups: 1, ..self }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            writers: 2,
            readers: 1,
            keyed: 1,
            pool: 6,
            scans: 2,
            lookups: 2,
            lookup_cache: LOOKUP_CACHE_TTL,
            counts: COUNTS,
            storage_quota: STORAGE_QUOTA,
            permit_wait: PERMIT_WAIT,
        }
    }
}

/// The store of one replica. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    shards: Arc<Shards<StoreShard>>,
    budgets: Budgets,
    lookup_cache: LookupCache,
    participants: ParticipantsCache,
    key_uses: KeyUses,
    counts: Counts,
    blocks: Blocks,
    reports: Reports,
    storage_quota: u64,
    /// The keys that secrets are sealed with; `None` stores them in clear.
    sealing: Option<SealingKeys>,
}

impl Store {
    /// Connects as `sessionary_app` and starts the group tasks. The schema must have been migrated.
    ///
    /// # Errors
    /// When the database cannot be reached, or the login is a superuser or bypasses row-level security.
    pub async fn connect(database: &Database, settings: StoreSettings) -> Result<Self, DatabaseError> {
        let (budgets, reports) = (Budgets::new(&settings), Reports::default());
        let parts = (budgets.clone(), reports.clone());
        let make = move |link| {
            let (budgets, reports) = parts.clone();
            StoreShard::connect(link, settings, budgets, reports).boxed()
        };
        let shards = Shards::connect(database, DatabaseRole::App, Box::new(make)).await?;
        if shards.are_many() {
            // Those of the shards are made when they are first used.
            database.app_pool(1, ACQUIRE_TIMEOUT).await?.close().await;
        }
        let inner = Arc::new(Inner {
            shards,
            budgets,
            lookup_cache: LookupCache::new(settings.lookup_cache),
            participants: ParticipantsCache::default(),
            key_uses: KeyUses::default(),
            counts: Counts::new(settings.counts),
            blocks: Blocks::default(),
            reports,
            storage_quota: settings.storage_quota,
            sealing: database.sealing().cloned(),
        });
        tokio::spawn(flush::regularly(Arc::downgrade(&inner)));
        Ok(Self(inner))
    }

    /// Returns the store of one organization, without its quota.
    #[must_use]
    pub fn tenant(&self, org: OrgId) -> TenantStore {
        TenantStore::new(self.clone(), org, false)
    }

    /// Returns the store for callers of an organization. Once its storage quota is used up, they can read, change and
    /// delete, but not add anything.
    #[must_use]
    pub fn tenant_within_quota(&self, organization: &Organization) -> TenantStore {
        let quota = organization.storage_quota.unwrap_or(self.0.storage_quota);
        TenantStore::new(self.clone(), organization.id, organization.stored_bytes >= quota)
    }

    /// Reads every API key again before it is next used, because one was changed by other means than a [`TenantStore`].
    pub fn forget_keys(&self) {
        self.lookup_cache().key_changes.happened();
    }

    /// Adds the bytes that were counted since the last call to the database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn flush_storage(&self) -> Result<(), StoreError> {
        storage::flush(&self.0).await
    }

    /// Writes when API keys were last used, each key at most once a minute.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn flush_key_uses(&self) -> Result<(), StoreError> {
        key_uses::flush(&self.0).await
    }

    /// Adds the usage that was counted since the last call to the database.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn flush_usage(&self) -> Result<(), StoreError> {
        usage_days::flush(&self.0).await
    }

    /// Returns how many bytes an organization without a quota of its own may store.
    #[must_use]
    pub fn storage_quota(&self) -> u64 {
        self.0.storage_quota
    }

    /// Returns the look-ups that need no organization.
    #[must_use]
    pub fn directory(&self) -> Directory<'_> {
        Directory(self)
    }

    /// Checks that the database responds, or one node of a distributed one.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let nodes = self.0.shards.of_each_node();
        any_success(nodes.iter().map(|shard| shard.part.ping())).await
    }

    /// Returns how many pooled connections are open, and how many of them are idle.
    #[must_use]
    pub fn pool_size(&self) -> (u32, usize) {
        let shards = self.0.shards.all();
        let sizes = shards.iter().flat_map(|shard| {
            let Pools { tenants, scans, lookups } = &shard.part.pools;
            [tenants.size(), scans.size(), (lookups.reads().size(), lookups.reads().num_idle())]
        });
        sizes.fold((0, 0), |(open, idle), pool| (open + pool.0, idle + pool.1))
    }

    /// Returns how many bytes wait for the writers or are being written.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        let budgets = &self.0.budgets;
        budgets.create_sessions.queued_bytes()
            + budgets.change_sessions.queued_bytes()
            + budgets.capture_events.queued_bytes()
            + budgets.capture_spans.queued_bytes()
            + budgets.idempotency.queued_bytes()
    }

    /// Finishes accepted requests, rejects new ones, and closes every connection.
    pub async fn close(&self) {
        self.0.shards.close().await;
        if let Err(error) = self.flush_storage().await {
            tracing::warn!(%error, "store.storage_not_counted");
        }
        if let Err(error) = self.flush_usage().await {
            tracing::warn!(%error, "store.usage_not_counted");
        }
        if let Err(error) = self.flush_key_uses().await {
            tracing::warn!(%error, "store.key_uses_not_written");
        }
        let shards = self.0.shards.all();
        let closing = shards.iter().map(|shard| async {
            let Pools { tenants, scans, lookups } = &shard.part.pools;
            tokio::join!(tenants.close(), scans.close(), lookups.close());
        });
        futures::future::join_all(closing).await;
    }

    fn lookup_cache(&self) -> &LookupCache {
        &self.0.lookup_cache
    }
}

/// Waits for the first success. Returns the last error if there is none.
async fn any_success<F: Future<Output = Result<(), StoreError>>>(
    checks: impl IntoIterator<Item = F>,
) -> Result<(), StoreError> {
    let mut checks: FuturesUnordered<F> = checks.into_iter().collect();
    let mut result = Err(StoreError::Unavailable);
    while let Some(checked) = checks.next().await {
        result = checked;
        if result.is_ok() {
            break;
        }
    }
    result
}
