//! The tenant scope: which organizations a statement may see, and the transactions that set it.
//!
//! Every statement also has a condition on `org_id`; the scope is a second protection, enforced by Postgres itself. The
//! policy that reads the setting is in `migrations/0001_isolation.sql`.
//!
//! A caller's future can be dropped at any `await`. A pooled connection goes back to its pool only when its state is
//! known, because the next caller's statements would otherwise join a transaction that is never committed:
//! - before Postgres has confirmed BEGIN or COMMIT, dropping the transaction closes the connection;
//! - in between, dropping it rolls back first, and closes the connection if that fails.

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Postgres, Transaction};

use tokio::time::Instant;

use super::permits::{OrgPermit, OrgPermits};
use super::shards::{Fence, Link, ShardId, ShardPool, is_moved};
use super::{Database, StoreError};
use crate::domain::OrgId;

/// Time limit of a rollback in the background: that of the statement before it, and a little more.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a transaction is begun while its shard moves.
const BEGIN_ATTEMPTS: u32 = 5;

/// Setting of transactions whose COMMIT does not wait for the disk.
const UNFLUSHED: &str = "SET LOCAL synchronous_commit = off; ";

/// Time limit of a statement of a brief transaction.
pub(super) const BRIEF_TIMEOUT: Duration = Duration::from_millis(100);
const BRIEF: &str = "SET LOCAL statement_timeout = '100ms'; ";
/// Settings for statements that walk along an index and stop at a limit. The planner knows neither the limit nor how
/// many rows match the parameters, and would read and sort everything, so the settings leave it no other plan. A
/// generic plan is the same for all parameters, and is planned once per connection.
const WALKING: &str = "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; \
                       SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; \
                       SET LOCAL plan_cache_mode = force_generic_plan; ";

/// Settings for statements that look up many rows by keys and that must see the same snapshot.
const SEARCHING: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL enable_bitmapscan = off; \
                         SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
                         SET LOCAL enable_mergejoin = off; SET LOCAL max_parallel_workers_per_gather = 0; \
                         SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan; ";

/// Returns what begins a transaction: settings, the check that the shard is on this node, and the scope.
fn begin_statement(shard: Option<ShardId>, fence: Fence, settings: &str, orgs: &[OrgId]) -> AssertSqlSafe<String> {
    scope_statement(format!("BEGIN; {settings}{}SET LOCAL", fence.statement(shard)), orgs)
}

/// Returns a statement that sets the scope to exactly `orgs`.
fn scope_statement(set: String, orgs: &[OrgId]) -> AssertSqlSafe<String> {
    let mut statement = set;
    statement.reserve(24 + 37 * orgs.len());
    statement.push_str(" app.org_ids = '{");
    for (index, org) in orgs.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(statement, "{comma}{org}");
    }
    statement.push_str("}'");
    // Safe: only the hexadecimal digits and hyphens of UUIDs were added.
    AssertSqlSafe(statement)
}

/// A connection of one task, and the organizations that its statements see.
///
/// The task drops the connection when a statement on it did not complete.
pub(super) struct WriterConnection<M = ()> {
    connection: PgConnection,
    sees: Vec<OrgId>,
    shard: Option<ShardId>,
    /// Whether a transaction of [`WriterConnection::narrowed`] was begun and not committed.
    is_open: bool,
    /// What the task remembers of its writes, for as long as the connection lasts.
    pub memory: M,
}

impl<M: Default> WriterConnection<M> {
    /// Connects with these options to where the link leads now.
    pub async fn connect(link: &Link, options: fn(&Database) -> PgConnectOptions) -> Result<Self, sqlx::Error> {
        let mut connection = options(&link.database()).connect().await?;
        link.attach(&mut connection).await?;
        Ok(Self { connection, sees: Vec::new(), shard: link.shard(), is_open: false, memory: M::default() })
    }
}

impl<M> WriterConnection<M> {
    /// Returns the connection for statements that are each a transaction and that see exactly `orgs`. This takes one
    /// round trip instead of the three of [`WriterConnection::begin`] and its COMMIT. The scope is not sent again for
    /// the same organizations.
    ///
    /// In a shard of a distributed database, the statements until [`Narrowed::done`] are one transaction, because each
    /// has to be sure that the shard is still there.
    pub async fn narrowed(&mut self, orgs: &[OrgId]) -> Result<Narrowed<'_, M>, sqlx::Error> {
        self.end_open().await?;
        if self.shard.is_some() {
            self.is_open = true;
            self.connection.execute(begin_statement(self.shard, Fence::Writing, "", orgs)).await?;
        } else if self.sees != orgs {
            // Until Postgres responds, the scope can be either of the two.
            self.sees.clear();
            self.connection.execute(scope_statement("SET".to_owned(), orgs)).await?;
            self.sees.extend_from_slice(orgs);
        }
        Ok(Narrowed(self))
    }

    /// Begins a transaction that sees exactly `orgs`.
    pub async fn begin(&mut self, orgs: &[OrgId]) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
        self.end_open().await?;
        // In a shard, BEGIN can succeed and what follows it fail.
        self.is_open = self.shard.is_some();
        let transaction = self.connection.begin_with(begin_statement(self.shard, Fence::Writing, "", orgs)).await?;
        self.is_open = false;
        Ok(transaction)
    }

    /// Rolls back what a failed statement left open.
    async fn end_open(&mut self) -> Result<(), sqlx::Error> {
        if self.is_open {
            self.connection.execute("ROLLBACK").await?;
            self.is_open = false;
        }
        Ok(())
    }
}

/// The connection for statements that see the organizations of a batch.
pub(super) struct Narrowed<'w, M>(&'w mut WriterConnection<M>);

impl<M> Narrowed<'_, M> {
    /// Commits the statements, as far as they are not yet.
    ///
    /// # Errors
    /// When Postgres did not confirm it. They may or may not have been committed then.
    pub async fn done(self) -> Result<(), sqlx::Error> {
        if self.0.is_open {
            self.0.connection.execute("COMMIT").await?;
            self.0.is_open = false;
        }
        Ok(())
    }
}

impl<M> Deref for Narrowed<'_, M> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0.connection
    }
}

impl<M> DerefMut for Narrowed<'_, M> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0.connection
    }
}

/// The connections for one kind of statement, of which each organization can use a limited part.
pub(super) struct TenantPool {
    pool: ShardPool,
    permits: OrgPermits,
}

impl TenantPool {
    pub fn new(pool: ShardPool, permits: OrgPermits) -> Self {
        Self { pool, permits }
    }

    /// Returns how many connections are open, and how many of them are idle.
    pub fn size(&self) -> (u32, usize) {
        (self.pool.reads().size(), self.pool.reads().num_idle())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Makes new connections with other settings.
    pub fn move_to(&self, database: &Database) {
        self.pool.move_to(database);
    }

    async fn begin(&self, fence: Fence, settings: &str, org: OrgId) -> Result<PooledTransaction, StoreError> {
        let permit = self.permits.acquire(org, 1).await?;
        let shard = self.pool.link().shard();
        let statement = || begin_statement(shard, fence, settings, &[org]);
        Ok(PooledTransaction::begin(&self.pool, statement, Some(permit)).await?)
    }
}

/// Begins a transaction on a connection of the pool that sees exactly `org`.
///
/// # Errors
/// [`StoreError::OrgBusy`] when the organization already uses or waits for too many connections;
/// [`StoreError::Unavailable`] when the database cannot be reached.
pub(super) async fn begin_pooled(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(Fence::Writing, "", org).await
}

/// Begins a transaction for statements that walk along an index: lists, figures, searches of many rows.
///
/// # Errors
/// The same as those of [`begin_pooled`].
pub(super) async fn begin_scan(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(Fence::Reading, WALKING, org).await
}

/// Begins a transaction for a search: its statements see one snapshot, and look up rows by lists of keys.
///
/// # Errors
/// The same as those of [`begin_pooled`].
pub(super) async fn begin_search(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(Fence::Reading, SEARCHING, org).await
}

/// How often an export tries again while the organization's other scans use its permit.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long an export tries.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// Begins a transaction like [`begin_scan`] for the next piece of a response that is being sent. It waits where another
/// caller would be rejected, because a response that has begun can no longer report that the organization is busy.
///
/// # Errors
/// The same as those of [`begin_pooled`], after 30 seconds.
pub(super) async fn begin_in_turn(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    let deadline = Instant::now() + TURN_TIMEOUT;
    loop {
        match pool.begin(Fence::Reading, WALKING, org).await {
            Err(StoreError::OrgBusy) if Instant::now() < deadline => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            result => return result,
        }
    }
}

/// Begins a transaction whose COMMIT does not wait for the disk. A crash may lose it, but only together with everything
/// that was committed after it.
///
/// # Errors
/// The same as those of [`begin_pooled`].
pub(super) async fn begin_unflushed(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(Fence::Writing, UNFLUSHED, org).await
}

/// Begins a transaction whose statements Postgres cancels after [`BRIEF_TIMEOUT`], for a query with a slower fallback.
///
/// # Errors
/// The same as those of [`begin_pooled`].
pub(super) async fn begin_brief(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(Fence::Reading, BRIEF, org).await
}

/// Begins a transaction about organizations themselves: their permissions and their storage. It takes none of their
/// permits, because callers' credentials are verified with it.
pub(super) async fn begin_lookup(pool: &ShardPool, orgs: &[OrgId]) -> Result<PooledTransaction, sqlx::Error> {
    let shard = pool.link().shard();
    PooledTransaction::begin(pool, || begin_statement(shard, Fence::Writing, "", orgs), None).await
}

/// Begins a transaction of `sessionary_system`, which has its own policies and needs no scope.
pub(super) async fn begin_system(pool: &ShardPool) -> Result<PooledTransaction, sqlx::Error> {
    begin_unscoped(pool, Fence::Writing, "BEGIN").await
}

/// Begins a transaction of `sessionary_system` whose statements see one snapshot.
pub(super) async fn begin_system_snapshot(pool: &ShardPool) -> Result<PooledTransaction, sqlx::Error> {
    begin_unscoped(pool, Fence::Reading, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// Begins a transaction of `sessionary_system` whose COMMIT does not wait for the disk.
pub(super) async fn begin_system_unflushed(pool: &ShardPool) -> Result<PooledTransaction, sqlx::Error> {
    begin_unscoped(pool, Fence::Writing, "BEGIN; SET LOCAL synchronous_commit = off").await
}

async fn begin_unscoped(pool: &ShardPool, fence: Fence, begin: &str) -> Result<PooledTransaction, sqlx::Error> {
    let fence = fence.statement(pool.link().shard());
    // Safe: the only part that is not constant is the shard's number.
    PooledTransaction::begin(pool, || AssertSqlSafe(format!("{begin}; {fence}")), None).await
}

/// A transaction on a pooled connection. Dropping it at any moment leaves no connection of unknown state in the pool.
pub(super) struct PooledTransaction {
    /// `None` only while the value is made or dropped.
    connection: Option<PoolConnection<Postgres>>,
    state: State,
    /// Returned with the connection, not before, because the statement of a caller that hung up may still be running.
    permit: Option<OrgPermit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// BEGIN or COMMIT was sent and is not confirmed.
    Unknown,
    /// BEGIN was confirmed.
    Open,
    /// COMMIT was confirmed.
    Committed,
}

impl PooledTransaction {
    /// Begins a transaction. If the shard has just moved, it is begun again at its new node.
    async fn begin(
        pool: &ShardPool,
        statement: impl Fn() -> AssertSqlSafe<String>,
        permit: Option<OrgPermit>,
    ) -> Result<Self, sqlx::Error> {
        let mut transaction = Self { connection: None, state: State::Unknown, permit };
        for attempt in 1.. {
            transaction.connection = Some(pool.reads().acquire().await?);
            match transaction.execute(statement()).await {
                Ok(_) => break,
                Err(error) if is_moved(&error) && attempt < BEGIN_ATTEMPTS => {
                    transaction.close_connection();
                    pool.link().refreshed().await;
                }
                Err(error) => return Err(error),
            }
        }
        transaction.state = State::Open;
        Ok(transaction)
    }

    fn close_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// When Postgres did not confirm it. It may or may not have been committed then.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.state = State::Unknown;
        self.execute("COMMIT").await?;
        self.state = State::Committed;
        Ok(())
    }
}

impl Deref for PooledTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_deref().expect("a connection until the drop")
    }
}

impl DerefMut for PooledTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_deref_mut().expect("a connection until the drop")
    }
}

impl Drop for PooledTransaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        match (self.state, tokio::runtime::Handle::try_current()) {
            // The connection goes back to the pool.
            (State::Committed, _) => {}
            (State::Open, Ok(runtime)) => {
                runtime.spawn(roll_back(connection, self.permit.take()));
            }
            (State::Unknown, _) | (State::Open, Err(_)) => drop(connection.detach()),
        }
    }
}

/// Rolls back a transaction that a dropped future left open, after its current statement, and returns the connection to
/// its pool. Closes the connection if that fails.
async fn roll_back(mut connection: PoolConnection<Postgres>, permit: Option<OrgPermit>) {
    let rolled_back = tokio::time::timeout(ROLLBACK_TIMEOUT, connection.execute("ROLLBACK")).await;
    if !matches!(rolled_back, Ok(Ok(_))) {
        drop(connection.detach());
    }
    drop(permit);
}
