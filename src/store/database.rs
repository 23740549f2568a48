//! Connection settings and pools of each database role.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};

use super::pooler::{POOLER, is_pooler, shares_connections};
use super::shards::{Node, Placement, ShardId};
use super::{advice, tls};
use crate::domain::sealing::SealingKeys;

/// Time limit of a statement on a pooled connection. Postgres cancels a slower one.
const STATEMENT_TIMEOUT: &str = "5s";
/// Time limit for a lock. It is shorter than the statement's, so that a blocked write is distinguished from a slow
/// query.
const LOCK_TIMEOUT: &str = "4s";
/// Time limit for an open transaction without a statement, in case a connection's loss goes unnoticed.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "30s";

/// How long the command line and the workers wait for a connection.
pub(super) const SYSTEM_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The nice value of a private server's processes that read many rows.
const NICE: i32 = 10;
/// Time limit for the connection of a command or of the start-up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The oldest version of Postgres that the schema and the statements work on, as a `server_version_num`.
const OLDEST_VERSION: u32 = 150_000;

/// Planner settings for statements that read an organization's rows by an index.
///
/// Generic plans are the ones that tests/suite/store/plans.rs checks, and they avoid planning at each call. Without
/// sequential scans a small table is read in the same way as a large one. A list of keys is joined with a table by one
/// look-up per key. Without statistics, the planner would estimate a long list and a short table, and read the whole
/// table.
pub const LOOKUP_PLANS: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];
/// Planner settings for statements that summarize many rows.
pub const SCAN_PLANS: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    // A scan uses only one processor of the Postgres machine.
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];

/// The connection settings of the three roles.
#[derive(Clone)]
pub struct Database {
    app: PgConnectOptions,
    system: PgConnectOptions,
    /// A login that may create roles and own the schema.
    migration: PgConnectOptions,
    /// Whether this service runs the server itself, on this machine.
    is_private: bool,
    /// The keys that secrets are sealed with; `None` stores them in clear.
    sealing: Option<SealingKeys>,
    /// The shard that the connections of the request role and the system role are for; `None` for the whole database.
    shard: Option<ShardId>,
}

impl std::fmt::Debug for Database {
    /// Formats the value without passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Database").field(&self.place()).finish()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("{0} is no Postgres URL: {1}")]
    Url(&'static str, sqlx::Error),
    /// The address of the server, and the cause of the failure.
    #[error("cannot connect to Postgres at {place}: {}", advice::described(.error))]
    Connect { place: String, error: sqlx::Error },
    #[error(
        "Postgres at {place} is version {}.{}, and Sessionary needs {} or newer; upgrade it, or name another database", 
        .version / 10_000, .version % 10_000, OLDEST_VERSION / 10_000
    )]
    TooOld { place: String, version: u32 },
    #[error("{POOLER}")]
    Pooler,
    #[error(
        "the login of DATABASE_URL cannot become sessionary_app: {}; `sessionary migrate` makes it a member, or \
         GRANT sessionary_app TO it",
        advice::described(.0)
    )]
    NoMember(sqlx::Error),
    #[error(
        "cannot serve as {0}, which is a superuser or bypasses row-level security; give DATABASE_URL a login that \
         may become sessionary_app"
    )]
    TooPowerful(String),
}

impl DatabaseError {
    /// Returns the error with its remedy, if the login may not become the role of its connection.
    pub(super) fn or_no_member(self) -> Self {
        match self {
            Self::Connect { error, .. } if is_no_member(&error) => Self::NoMember(error),
            other => other,
        }
    }
}

/// Returns whether a login may not become the role that its connection asks for.
fn is_no_member(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|error| error.message().contains("set role") || error.message().contains("role \"sessionary_"))
}

impl Database {
    /// Uses one URL for all roles, narrowed to each role by the connection option `role`. With `migration_url`,
    /// migrations and the command line use that one instead. Because a narrowed connection can undo this with SET ROLE
    /// NONE, two URLs are safer, the first with a login that is a member of `sessionary_app` alone.
    ///
    /// # Errors
    /// When a URL cannot be parsed.
    pub fn from_urls(url: &str, migration_url: Option<&str>) -> Result<Self, DatabaseError> {
        let read = |name, url: &str| {
            let options = url.trim().parse::<PgConnectOptions>().map_err(|error| DatabaseError::Url(name, error))?;
            Ok::<_, DatabaseError>(tls::verified(options, url))
        };
        let app = read("DATABASE_URL", url)?;
        let migration = match migration_url {
            Some(url) => read("SESSIONARY_MIGRATION_URL", url)?,
            None => app.clone(),
        };
        let role = |options: &PgConnectOptions, role: &str| options.clone().options([("role", role)]);
        Ok(Self {
            app: role(&app, "sessionary_app"),
            system: role(&migration, "sessionary_system"),
            migration,
            is_private: false,
            sealing: None,
            shard: None,
        })
    }

    /// Uses a private cluster behind a Unix socket, where each role has its own login.
    #[must_use]
    pub fn on_socket(socket_dir: &std::path::Path, port: u16, superuser: &str, name: &str) -> Self {
        let login = |user: &str| {
            PgConnectOptions::new_without_pgpass().socket(socket_dir).port(port).username(user).database(name)
        };
        Self {
            app: login("sessionary_app"),
            system: login("sessionary_system"),
            migration: login(superuser),
            is_private: true,
            sealing: None,
            shard: None,
        }
    }

    /// Returns the same database, whose secrets are sealed with these keys.
    #[must_use]
    pub fn sealed_with(self, keys: Option<SealingKeys>) -> Self {
        Self { sealing: keys, ..self }
    }

    /// Returns the settings of the connections to one shard: to its node, with the schema of its views.
    pub(super) fn at(&self, placement: &Placement) -> Self {
        let path = format!("{},public", placement.shard.schema());
        let there = |options: &PgConnectOptions| {
            let options = options.clone().host(&placement.node.host).port(placement.node.port);
            options.options([("search_path", path.as_str())])
        };
        Self { app: there(&self.app), system: there(&self.system), shard: Some(placement.shard), ..self.clone() }
    }

    /// Returns the settings of the connections to one server of a distributed database.
    pub(super) fn on_node(&self, node: &Node) -> Self {
        let there = |options: &PgConnectOptions| options.clone().host(&node.host).port(node.port);
        Self { app: there(&self.app), system: there(&self.system), migration: there(&self.migration), ..self.clone() }
    }

    pub(super) fn shard(&self) -> Option<ShardId> {
        self.shard
    }

    pub(super) fn sealing(&self) -> Option<&SealingKeys> {
        self.sealing.as_ref()
    }

    /// Returns the name of the login that serves requests.
    pub(super) fn request_login(&self) -> &str {
        self.app.get_username()
    }

    /// Checks that a text is the URL of a Postgres database.
    ///
    /// # Errors
    /// A description of the problem that does not quote the text.
    pub fn check_url(url: &str) -> Result<(), String> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.trim_start().starts_with(scheme)) {
            return Err("it does not begin with postgres:// or postgresql://".to_owned());
        }
        url.trim().parse::<PgConnectOptions>().map(drop).map_err(|error| error.to_string())
    }

    /// Returns host, port, database and user of the login that migrates.
    #[must_use]
    pub fn place(&self) -> String {
        advice::place(&self.migration)
    }

    pub(super) fn app_options(&self) -> PgConnectOptions {
        quiet(self.app.clone())
    }

    pub(super) fn system_options(&self) -> PgConnectOptions {
        quiet(self.system.clone())
    }

    pub(super) fn migration_options(&self) -> PgConnectOptions {
        quiet(self.migration.clone())
    }

    /// Returns the connection settings of the owner of the tables.
    pub(super) fn owner_options(&self) -> PgConnectOptions {
        self.migration_options().options([("role", "sessionary_owner")])
    }

    /// Returns the connection settings for reading every row without a time limit, in a format that does not depend on
    /// the server's settings.
    pub(super) fn backup_options(&self) -> PgConnectOptions {
        quiet(self.system.clone()).options([
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            ("extra_float_digits", "1"),
            ("bytea_output", "hex"),
            ("row_security", "on"),
        ])
    }

    /// Returns the connection settings of the workers. Their statements have a time limit, unlike a command's export.
    pub(super) fn worker_options(&self) -> PgConnectOptions {
        self.system_options().options(LOOKUP_PLANS).options([("statement_timeout", "30s")])
    }

    /// Connects a pool of the system role with these settings.
    pub(super) async fn system_pool(
        &self,
        connections: u32,
        options: fn(&Self) -> PgConnectOptions,
    ) -> Result<PgPool, DatabaseError> {
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(SYSTEM_ACQUIRE_TIMEOUT);
        let options = options(self);
        match pool.connect_with(options.clone()).await {
            Ok(pool) => Ok(pool),
            Err(error) => Err(explain(&options, error).await),
        }
    }

    /// Connects the pool for statements that read many rows. On a private server, its processes run at a lower priority
    /// than those for small statements.
    pub(super) async fn scan_pool(&self, connections: u32, acquire_timeout: Duration) -> Result<PgPool, DatabaseError> {
        self.pool(connections, acquire_timeout, Self::scan_options, self.is_private).await
    }

    /// Connects the request role's pool, and checks that the role is as restricted as it should be.
    pub(super) async fn app_pool(&self, connections: u32, acquire_timeout: Duration) -> Result<PgPool, DatabaseError> {
        self.pool(connections, acquire_timeout, Self::lookup_options, false).await
    }

    /// Returns the connection settings for statements that read many rows.
    pub(super) fn scan_options(&self) -> PgConnectOptions {
        self.bounded_options().options(SCAN_PLANS)
    }

    /// Returns the connection settings for small statements.
    pub(super) fn lookup_options(&self) -> PgConnectOptions {
        self.bounded_options().options(LOOKUP_PLANS)
    }

    fn bounded_options(&self) -> PgConnectOptions {
        self.app_options().options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            // Without it, a statement whose connection was closed would run to its end.
            ("client_connection_check_interval", "1s"),
        ])
    }

    async fn pool(
        &self,
        connections: u32,
        acquire_timeout: Duration,
        options: fn(&Self) -> PgConnectOptions,
        gives_way: bool,
    ) -> Result<PgPool, DatabaseError> {
        let options = options(self);
        let pool = PgPoolOptions::new()
            .after_connect(move |connection, _| {
                Box::pin(async move { if gives_way { lower_priority(connection).await } else { Ok(()) } })
            })
            .max_connections(connections)
            .acquire_timeout(acquire_timeout)
            // A broken connection fails at its next statement; a ping before each statement would double the cost.
            .test_before_acquire(false)
            .connect_with(options.clone());
        let pool = match pool.await {
            Ok(pool) => pool,
            Err(error) => {
                return Err(explain(&options, error).await.or_no_member());
            }
        };
        let role = sqlx::query!(
            r#"SELECT rolname::text AS "name!", rolsuper OR rolbypassrls AS "powerful!",
                      current_setting('statement_timeout') AS "statement_timeout!"
                 FROM pg_roles WHERE rolname = current_user"#
        )
        .fetch_one(&pool)
        .await
        .map_err(|error| connect_error(&options, error))?;
        let shares = async || Ok(connections > 1 && shares_connections(&pool).await?);
        if role.statement_timeout != STATEMENT_TIMEOUT
            || shares().await.map_err(|error| connect_error(&options, error))?
        {
            return Err(DatabaseError::Pooler);
        }
        if role.powerful {
            return Err(DatabaseError::TooPowerful(role.name));
        }
        Ok(pool)
    }

    /// Returns the connection settings of the group tasks. Planning a batch takes longer than executing it, so each
    /// statement is planned once per connection, whatever the length of its lists.
    pub(super) fn app_group_options(&self) -> PgConnectOptions {
        quiet(self.app.clone()).options(LOOKUP_PLANS).options([("statement_timeout", "8s")])
    }
}

/// Lowers the priority of the server's process of a connection. Does nothing if that is not permitted.
async fn lower_priority(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let process = sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "process!""#).fetch_one(connection).await?;
    if let Some(process) = rustix::process::Pid::from_raw(process)
        && let Err(error) = rustix::process::setpriority_process(Some(process), NICE)
    {
        tracing::debug!(%error, "store.priority_not_lowered");
    }
    Ok(())
}

/// Connects, within ten seconds, to a Postgres that is new enough.
///
/// # Errors
/// [`DatabaseError::Connect`] when it cannot be reached or rejects the login, [`DatabaseError::TooOld`] when it is too
/// old.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, DatabaseError> {
    let connection = match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connected) => connected.map_err(|error| connect_error(options, error))?,
        Err(_elapsed) => return Err(connect_error(options, sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    };
    match connection.server_version_num() {
        Some(version) if version < OLDEST_VERSION => {
            Err(DatabaseError::TooOld { place: advice::place(options), version })
        }
        _ => Ok(connection),
    }
}

pub(super) fn connect_error(options: &PgConnectOptions, error: sqlx::Error) -> DatabaseError {
    if is_pooler(&error) {
        return DatabaseError::Pooler;
    }
    DatabaseError::Connect { place: advice::place(options), error }
}

/// Replaces a pool's time-out by its cause. A pool retries until its time-out and does not report why, so this connects
/// once more to find out.
async fn explain(options: &PgConnectOptions, error: sqlx::Error) -> DatabaseError {
    if matches!(error, sqlx::Error::PoolTimedOut)
        && let Err(reason) = connect(options).await
    {
        return reason;
    }
    connect_error(options, error)
}

/// Turns off the logging of statements, because they may contain messages.
fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("sessionary").disable_statement_logging()
}
