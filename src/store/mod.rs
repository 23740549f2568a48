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
mod bytes;
mod captures;
mod console_logins;
mod contacts;
mod counts;
mod dashboard;
mod database;
mod directory;
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
mod numbers;
mod own_organization;
mod permits;
mod readiness;
mod recent;
mod retention;
mod schema;
mod scope;
mod sealing;
mod sessions;
mod signals;
mod storage;
mod tenant;
mod tls;
mod usage;
mod usage_days;
mod users;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

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
pub use migrate::{MigrateError, Migrated, allow_logins, create_database, migrate, provision};
pub use numbers::{Numbers, Series};
pub use own_organization::{OwnOrganization, OwnSettings};
pub use retention::{Retention, RetentionCounts};
pub use schema::{Schema, SchemaError, newest_migration, schema};
pub use sessions::{
    AcrossCursor, Among, AppendingChange, Appends, Census, Changed, CopiedEvents, CopySize, Created, CreationOrder,
    Examined, Fork, Forked, HEADING_CHARS, Heading, INDEX_TIMEOUT, MAX_COPIED_BYTES, MAX_COPIED_EVENTS, MAX_REQUIRED,
    Participants, SessionCursor, SessionFilter, SessionOrder, SessionPage, SessionQuery, SessionRow, SessionStretch,
    Sessions, TextMatch, UPDATED_WINDOW, WINDOW, Walk,
};
pub use signals::{TurnWatch, Woken};
pub use tenant::TenantStore;
pub use tls::Tls;
pub use usage::Usage;
pub use usage_days::{Amounts, CountedRequest, MAX_USAGE_GROUPS, USAGE_DAYS, UsageBy, UsageGroup};
pub use users::{COUNTED_SESSIONS, UserPage, UserRow, UserSessionPage, Users};
pub use webhooks::{Delivery, DeliveryResent, NewEndpoint, Webhook, WebhookCreated, WebhookState, Webhooks};

use crate::domain::sealing::SealingKeys;
use crate::domain::{OrgId, Organization};
use captures::{CaptureEvents, CaptureSpans};
use counts::Counts;
use group::{Group, Reports};
use idempotency::IdempotencySteps;
use key_uses::KeyUses;
use lookup_cache::LookupCache;
use numbers::Blocks;
use permits::{OrgPermits, PermitLimits};
use scope::TenantPool;
use sessions::{ChangeSessions, CreateSessions, FindSessions, ParticipantsCache};
use signals::Turns;

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
    pools: Pools,
    groups: Groups,
    lookup_cache: LookupCache,
    participants: ParticipantsCache,
    key_uses: KeyUses,
    counts: Counts,
    blocks: Blocks,
    reports: Reports,
    storage_quota: u64,
    /// The turns that run on this replica, which other replicas may end.
    turns: Arc<Turns>,
    /// The keys that secrets are sealed with; `None` stores them in clear.
    sealing: Option<SealingKeys>,
    /// The options of the connection that listens for the end of turns.
    listening: PgConnectOptions,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.turns.close();
    }
}

/// Each kind of work has its own connections, so that it cannot block the others.
struct Pools {
    tenants: TenantPool,
    scans: TenantPool,
    lookups: PgPool,
}

/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection to scan with. The time limit of a handler is 30 seconds.
const SCAN_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

impl Pools {
    /// Callers of one organization that wait for a connection.
    const WAITING: usize = 256;
    /// Callers of one organization that wait for a scan.
    const WAITING_SCANS: usize = 4;

    /// Connects the pools. An organization can use at most half of the connections for small statements, and one for
    /// scans.
    async fn connect(database: &Database, settings: &StoreSettings) -> Result<Self, DatabaseError> {
        let shared = |pool: PgPool, permits: u32, waiting: usize| {
            let callers = permits as usize + waiting;
            TenantPool::new(pool, OrgPermits::new(PermitLimits { permits, callers, wait: settings.permit_wait }))
        };
        let tenants = database.app_pool(settings.pool, ACQUIRE_TIMEOUT).await?;
        // Few connections, because each uses a processor of the Postgres machine. Callers wait for their organization's
        // turn.
        let scans = database.scan_pool(settings.scans, SCAN_ACQUIRE_TIMEOUT).await?;
        Ok(Self {
            tenants: shared(tenants, (settings.pool / 2).max(1), Self::WAITING),
            scans: shared(scans, 1, Self::WAITING_SCANS),
            lookups: database.app_pool(settings.lookups, ACQUIRE_TIMEOUT).await?,
        })
    }
}

struct Groups {
    create_sessions: Group<CreateSessions>,
    change_sessions: Group<ChangeSessions>,
    find_sessions: Group<FindSessions>,
    capture_events: Group<CaptureEvents>,
    capture_spans: Group<CaptureSpans>,
    idempotency: Group<IdempotencySteps>,
}

impl Store {
    /// Connects as `sessionary_app` and starts the group tasks. The schema must have been migrated.
    ///
    /// # Errors
    /// When the database cannot be reached, or the login is a superuser or bypasses row-level security.
    pub async fn connect(database: &Database, settings: StoreSettings) -> Result<Self, DatabaseError> {
        let pools = Pools::connect(database, &settings).await?;
        let group_options = database.app_group_options();
        let reports = Reports::default();
        let inner = Arc::new(Inner {
            pools,
            groups: Groups {
                create_sessions: Group::start(&group_options, settings.writers, &reports),
                change_sessions: Group::start(&group_options, settings.writers, &reports),
                find_sessions: Group::start(&group_options, settings.readers, &reports),
                capture_events: Group::start(&group_options, settings.writers, &reports),
                capture_spans: Group::start(&group_options, settings.writers, &reports),
                idempotency: Group::start(&idempotency::options(&group_options), settings.keyed, &reports),
            },
            lookup_cache: LookupCache::new(settings.lookup_cache),
            participants: ParticipantsCache::default(),
            key_uses: KeyUses::default(),
            counts: Counts::new(settings.counts),
            blocks: Blocks::default(),
            reports,
            storage_quota: settings.storage_quota,
            turns: Arc::default(),
            sealing: database.sealing().cloned(),
            listening: group_options,
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

    /// Checks that the database responds.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!(r#"SELECT 1 AS "one!""#).fetch_one(self.lookups()).await?;
        Ok(())
    }

    /// Returns how many pooled connections are open, and how many of them are idle.
    #[must_use]
    pub fn pool_size(&self) -> (u32, usize) {
        let pools = &self.0.pools;
        let lookups = (pools.lookups.size(), pools.lookups.num_idle());
        [pools.tenants.size(), pools.scans.size(), lookups]
            .into_iter()
            .fold((0, 0), |(open, idle), pool| (open + pool.0, idle + pool.1))
    }

    /// Returns how many bytes wait for the writers or are being written.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        let groups = &self.0.groups;
        groups.create_sessions.queued_bytes()
            + groups.change_sessions.queued_bytes()
            + groups.capture_events.queued_bytes()
            + groups.capture_spans.queued_bytes()
            + groups.idempotency.queued_bytes()
    }

    /// Finishes accepted requests, rejects new ones, and closes every connection.
    pub async fn close(&self) {
        self.0.turns.close();
        let groups = &self.0.groups;
        tokio::join!(
            groups.create_sessions.close(),
            groups.change_sessions.close(),
            groups.find_sessions.close(),
            groups.capture_events.close(),
            groups.capture_spans.close()
        );
        // Last, because it stores the responses of the requests above.
        groups.idempotency.close().await;
        if let Err(error) = self.flush_storage().await {
            tracing::warn!(%error, "store.storage_not_counted");
        }
        if let Err(error) = self.flush_usage().await {
            tracing::warn!(%error, "store.usage_not_counted");
        }
        if let Err(error) = self.flush_key_uses().await {
            tracing::warn!(%error, "store.key_uses_not_written");
        }
        let pools = &self.0.pools;
        tokio::join!(pools.tenants.close(), pools.scans.close(), pools.lookups.close());
    }

    fn lookups(&self) -> &PgPool {
        &self.0.pools.lookups
    }

    fn lookup_cache(&self) -> &LookupCache {
        &self.0.lookup_cache
    }
}
