//! The tenant scope: which organizations a statement may see, and the transactions that set it.
//!
//! Every statement names `org_id` as well; this is the second wall, enforced by Postgres itself. The text of the policy
//! that reads the setting is in `migrations/0001_isolation.sql`.
//!
//! A caller's future can be dropped at any `await`. A pooled connection goes back to its pool only when its state is
//! known, because the next caller's statements would otherwise join a transaction that is committed nowhere:
//! - while BEGIN or COMMIT is not answered, dropping the transaction closes the connection;
//! - in between, dropping it rolls back first, and closes the connection if that fails.

use std::fmt::Write as _;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Postgres, SqlSafeStr, Transaction,
};

use tokio::time::Instant;

use super::StoreError;
use super::permits::{OrgPermit, OrgPermits};
use crate::domain::OrgId;

/// How long a rollback in the background may take: as long as the statement before it, and a little more.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(10);

/// COMMIT of these transactions does not wait for the disk.
const UNFLUSHED: &str = "SET LOCAL synchronous_commit = off; ";

/// How long a statement of these transactions may take.
pub(super) const BRIEF_TIMEOUT: Duration = Duration::from_millis(100);
const BRIEF: &str = "SET LOCAL statement_timeout = '100ms'; ";
/// Statements that walk along an index and stop at a limit. The planner knows neither the limit nor how many rows the
/// parameters mean, and would rather read and sort everything; so it is left no other plan than the walk. A generic plan
/// is the same whatever the parameters, and planned once per connection.
const WALKING: &str = "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; \
                       SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off; \
                       SET LOCAL plan_cache_mode = force_generic_plan; ";

/// Statements that look up many rows by keys, and that must agree with each other.
const SEARCHING: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL enable_bitmapscan = off; \
                         SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
                         SET LOCAL enable_mergejoin = off; SET LOCAL max_parallel_workers_per_gather = 0; \
                         SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan; ";

fn begin_statement(orgs: &[OrgId], settings: &'static str) -> AssertSqlSafe<String> {
    scope_statement(format!("BEGIN; {settings}SET LOCAL"), orgs)
}

/// `set` of the scope to exactly `orgs`.
fn scope_statement(set: String, orgs: &[OrgId]) -> AssertSqlSafe<String> {
    let mut statement = set;
    statement.reserve(24 + 37 * orgs.len());
    statement.push_str(" app.org_ids = '{");
    for (index, org) in orgs.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(statement, "{comma}{org}");
    }
    statement.push_str("}'");
    // Safe: nothing but the hexadecimal digits and hyphens of UUIDs was added.
    AssertSqlSafe(statement)
}

/// A connection that one task holds, and whom its statements see.
///
/// The scope outlives the transaction here. A distributed Postgres that hands on `SET LOCAL` alone needs
/// [`WriterConnection::narrowed`] to begin a transaction for each statement, as [`WriterConnection::begin`] does.
///
/// The task gives the connection up whenever a statement on it was not answered.
pub(super) struct WriterConnection {
    connection: PgConnection,
    sees: Vec<OrgId>,
}

impl WriterConnection {
    pub async fn connect(options: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: options.connect().await?, sees: Vec::new() })
    }

    /// The connection for statements that are a transaction each, and that see exactly `orgs`: one round trip where
    /// [`WriterConnection::begin`] and its COMMIT make three. The scope stays as it was for a caller who names the same again.
    pub async fn narrowed(&mut self, orgs: &[OrgId]) -> Result<&mut PgConnection, sqlx::Error> {
        if self.sees != orgs {
            // Until it is answered, the scope can be either of the two.
            self.sees.clear();
            self.connection.execute(scope_statement("SET".to_owned(), orgs)).await?;
            self.sees.extend_from_slice(orgs);
        }
        Ok(&mut self.connection)
    }

    /// Begins a transaction that sees exactly `orgs`.
    pub async fn begin(&mut self, orgs: &[OrgId]) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
        self.connection.begin_with(begin_statement(orgs, "")).await
    }
}

/// The connections for one kind of statement, shared among organizations: each has a part of them at most.
pub(super) struct TenantPool {
    pool: PgPool,
    permits: OrgPermits,
}

impl TenantPool {
    pub fn new(pool: PgPool, permits: OrgPermits) -> Self {
        Self { pool, permits }
    }

    /// Returns how many connections are open, and how many of them are idle.
    pub fn size(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self, org: OrgId, settings: &'static str) -> Result<PooledTransaction, StoreError> {
        let permit = self.permits.acquire(org, 1).await?;
        Ok(PooledTransaction::begin(&self.pool, begin_statement(&[org], settings), Some(permit)).await?)
    }
}

/// Begins a transaction on a connection of the pool that sees exactly `org`.
///
/// # Errors
/// [`StoreError::OrgBusy`] when the organization uses and waits for too many connections already;
/// [`StoreError::Unavailable`] when the database cannot be reached.
pub(super) async fn begin_pooled(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(org, "").await
}

/// Begins one for statements that walk along an index: lists, figures, searches of many rows.
///
/// # Errors
/// Those of [`begin_pooled`].
pub(super) async fn begin_scan(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(org, WALKING).await
}

/// Begins one for a search: its statements see one state, and look up rows by lists of keys.
///
/// # Errors
/// Those of [`begin_pooled`].
pub(super) async fn begin_search(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(org, SEARCHING).await
}

/// How often an export asks for its next piece while the organization's other scans are in the way.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long it does so.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// Begins one of [`begin_scan`] for the next piece of a response that is being sent: it waits where another caller would be
/// rejected, because a response that has begun can no longer say that the organization is busy.
///
/// # Errors
/// Those of [`begin_pooled`], after 30 seconds.
pub(super) async fn begin_in_turn(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    let deadline = Instant::now() + TURN_TIMEOUT;
    loop {
        match pool.begin(org, WALKING).await {
            Err(StoreError::OrgBusy) if Instant::now() < deadline => tokio::time::sleep(ASK_AGAIN_AFTER).await,
            result => return result,
        }
    }
}

/// Begins one whose COMMIT does not wait for the disk: a crash may lose it, but not without everything that was
/// committed after it.
///
/// # Errors
/// Those of [`begin_pooled`].
pub(super) async fn begin_unflushed(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(org, UNFLUSHED).await
}

/// Begins one whose statements Postgres cancels after [`BRIEF_TIMEOUT`], for a query that has a slower one to fall back on.
///
/// # Errors
/// Those of [`begin_pooled`].
pub(super) async fn begin_brief(pool: &TenantPool, org: OrgId) -> Result<PooledTransaction, StoreError> {
    pool.begin(org, BRIEF).await
}

/// Begins a transaction about organizations themselves: what they may do, how much they store. It takes no permit of
/// theirs, because it is how a caller's credential is verified.
pub(super) async fn begin_lookup(pool: &PgPool, orgs: &[OrgId]) -> Result<PooledTransaction, sqlx::Error> {
    PooledTransaction::begin(pool, begin_statement(orgs, ""), None).await
}

/// Begins a transaction of `sessionary_system`, which has policies of its own and needs no scope.
pub(super) async fn begin_system(pool: &PgPool) -> Result<PooledTransaction, sqlx::Error> {
    PooledTransaction::begin(pool, "BEGIN", None).await
}

/// Begins one whose COMMIT does not wait for the disk.
pub(super) async fn begin_system_unflushed(pool: &PgPool) -> Result<PooledTransaction, sqlx::Error> {
    PooledTransaction::begin(pool, "BEGIN; SET LOCAL synchronous_commit = off", None).await
}

/// A transaction on a pooled connection. Dropping it at any moment leaves no connection in the pool whose state is
/// unknown.
pub(super) struct PooledTransaction {
    /// `None` only while the value is dropped.
    connection: Option<PoolConnection<Postgres>>,
    state: State,
    /// Returned with the connection, not before: a caller that hangs up has its statement still running.
    permit: Option<OrgPermit>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// BEGIN or COMMIT was sent and is not answered.
    Unknown,
    /// BEGIN was answered.
    Open,
    /// COMMIT was answered.
    Committed,
}

impl PooledTransaction {
    async fn begin(
        pool: &PgPool,
        statement: impl SqlSafeStr + Send,
        permit: Option<OrgPermit>,
    ) -> Result<Self, sqlx::Error> {
        let connection = pool.acquire().await?;
        let mut transaction = Self { connection: Some(connection), state: State::Unknown, permit };
        transaction.execute(statement).await?;
        transaction.state = State::Open;
        Ok(transaction)
    }

    /// Commits what was done.
    ///
    /// # Errors
    /// When Postgres did not confirm it: it may or may not have been committed.
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
            // The pool takes it back.
            (State::Committed, _) => {}
            (State::Open, Ok(runtime)) => {
                runtime.spawn(roll_back(connection, self.permit.take()));
            }
            (State::Unknown, _) | (State::Open, Err(_)) => drop(connection.detach()),
        }
    }
}

/// Rolls back what a dropped future left open, behind the statement that may still be running, and returns the
/// connection to its pool; closes it if that is not possible.
async fn roll_back(mut connection: PoolConnection<Postgres>, permit: Option<OrgPermit>) {
    let rolled_back = tokio::time::timeout(ROLLBACK_TIMEOUT, connection.execute("ROLLBACK")).await;
    if !matches!(rolled_back, Ok(Ok(_))) {
        drop(connection.detach());
    }
    drop(permit);
}
