//! The connections of one replica to one shard, or to the one database.

use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::captures::{CaptureEvents, CaptureSpans};
use super::group::{Group, Reports};
use super::idempotency::{self, IdempotencySteps};
use super::permits::{OrgPermits, PermitLimits};
use super::readiness::WriteHealth;
use super::scope::TenantPool;
use super::sessions::{ChangeSessions, CreateSessions, FindSessions};
use super::shards::{Link, Part, ShardPool};
use super::signals::Turns;
use super::{Database, DatabaseError, StoreError, StoreSettings};

/// The connections to one shard.
pub(super) struct StoreShard {
    pub pools: Pools,
    pub groups: Groups,
    /// Whether its writes succeed.
    pub health: Arc<WriteHealth>,
    /// The turns that run on this replica, which other replicas may end.
    pub turns: Arc<Turns>,
    pub link: Link,
}

impl Drop for StoreShard {
    fn drop(&mut self) {
        self.turns.close();
    }
}

impl StoreShard {
    /// Connects to the shard, or prepares to, and starts its tasks.
    pub async fn connect(
        link: Link,
        settings: StoreSettings,
        budgets: Budgets,
        reports: Reports,
    ) -> Result<Self, DatabaseError> {
        let settings = if link.shard().is_some() { settings.of_a_shard() } else { settings };
        let pools = Pools::connect(&link, &settings).await?;
        let health = Arc::default();
        let reports = Reports { health: Arc::clone(&health), ..reports };
        let groups = Groups::start(&link, &settings, &budgets, &reports);
        Ok(Self { pools, groups, health, turns: Arc::default(), link })
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!(r#"SELECT 1 AS "one!""#).fetch_one(self.pools.lookups.reads()).await?;
        Ok(())
    }
}

impl Part for StoreShard {
    fn move_to(&self, database: &Database) {
        self.pools.tenants.move_to(database);
        self.pools.scans.move_to(database);
        self.pools.lookups.move_to(database);
        self.turns.listen_again();
    }

    async fn close(&self) {
        self.turns.close();
        let groups = &self.groups;
        tokio::join!(
            groups.create_sessions.close(),
            groups.change_sessions.close(),
            groups.find_sessions.close(),
            groups.capture_events.close(),
            groups.capture_spans.close()
        );
        // Last, because it stores the responses of the requests above.
        groups.idempotency.close().await;
    }
}

/// Each kind of work has its own connections, so that it cannot block the others.
pub(super) struct Pools {
    pub tenants: TenantPool,
    pub scans: TenantPool,
    pub lookups: ShardPool,
}

/// How long a caller waits for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection to scan with. The time limit of a handler is 30 seconds.
const SCAN_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

impl Pools {
    /// Callers of one organization that wait for a connection.
    const WAITING: usize = 256;
    /// Callers of one organization that wait for a scan.
    const WAITING_SCANS: usize = 4;

    /// Connects the pools. An organization can use at most half of the connections for small statements, and one for
    /// scans. Those to a shard are made when they are first used.
    async fn connect(link: &Link, settings: &StoreSettings) -> Result<Self, DatabaseError> {
        let shared = |pool: ShardPool, permits: u32, waiting: usize| {
            let callers = permits as usize + waiting;
            TenantPool::new(pool, OrgPermits::new(PermitLimits { permits, callers, wait: settings.permit_wait }))
        };
        let (lookup, scan) = (Database::lookup_options, Database::scan_options);
        let [tenants, scans, lookups] = if link.shard().is_some() {
            [
                ShardPool::lazy(link, lookup, settings.pool, ACQUIRE_TIMEOUT),
                ShardPool::lazy(link, scan, settings.scans, SCAN_ACQUIRE_TIMEOUT),
                ShardPool::lazy(link, lookup, settings.lookups, ACQUIRE_TIMEOUT),
            ]
        } else {
            let database = link.database();
            [
                ShardPool::of_one(database.app_pool(settings.pool, ACQUIRE_TIMEOUT).await?, link, lookup),
                // Few connections, because each uses a processor of the Postgres machine. Callers wait for their
                // organization's turn.
                ShardPool::of_one(database.scan_pool(settings.scans, SCAN_ACQUIRE_TIMEOUT).await?, link, scan),
                ShardPool::of_one(database.app_pool(settings.lookups, ACQUIRE_TIMEOUT).await?, link, lookup),
            ]
        };
        Ok(Self {
            tenants: shared(tenants, (settings.pool / 2).max(1), Self::WAITING),
            scans: shared(scans, 1, Self::WAITING_SCANS),
            lookups,
        })
    }
}

pub(super) struct Groups {
    pub create_sessions: Group<CreateSessions>,
    pub change_sessions: Group<ChangeSessions>,
    pub find_sessions: Group<FindSessions>,
    pub capture_events: Group<CaptureEvents>,
    pub capture_spans: Group<CaptureSpans>,
    pub idempotency: Group<IdempotencySteps>,
}

/// What may wait for the groups of all shards.
#[derive(Clone)]
pub(super) struct Budgets {
    pub create_sessions: Budget,
    pub change_sessions: Budget,
    pub find_sessions: Budget,
    pub capture_events: Budget,
    pub capture_spans: Budget,
    pub idempotency: Budget,
}

impl Budgets {
    pub fn new(settings: &StoreSettings) -> Self {
        Self {
            create_sessions: Budget::new(settings.writers),
            change_sessions: Budget::new(settings.writers),
            find_sessions: Budget::new(settings.readers),
            capture_events: Budget::new(settings.writers),
            capture_spans: Budget::new(settings.writers),
            idempotency: Budget::new(settings.keyed),
        }
    }
}

impl Groups {
    fn start(link: &Link, settings: &StoreSettings, budgets: &Budgets, reports: &Reports) -> Self {
        let options = Database::app_group_options;
        let (writers, readers) = (settings.writers, settings.readers);
        Self {
            create_sessions: Group::start(link, options, writers, &budgets.create_sessions, reports),
            change_sessions: Group::start(link, options, writers, &budgets.change_sessions, reports),
            find_sessions: Group::start(link, options, readers, &budgets.find_sessions, reports),
            capture_events: Group::start(link, options, writers, &budgets.capture_events, reports),
            capture_spans: Group::start(link, options, writers, &budgets.capture_spans, reports),
            idempotency: Group::start(link, idempotency::options, settings.keyed, &budgets.idempotency, reports),
        }
    }
}
