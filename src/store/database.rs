//! How each role logs in.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};

use super::advice;

/// How long a caller's query may take on a pooled connection; past it, Postgres cancels it.
const STATEMENT_TIMEOUT: &str = "5s";
/// How long it may wait for a lock. Shorter than the above, so that a blocked write is distinguished from a slow query.
const LOCK_TIMEOUT: &str = "4s";
/// How long a transaction may stay open without a statement, in case a connection's loss goes unnoticed.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "30s";

/// The nice value of a private server's processes that read much.
const NICE: i32 = 10;
/// How long a connection may take that a command or a start makes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The oldest version of Postgres that the schema and the statements work on, as `server_version_num` has it.
const OLDEST_VERSION: u32 = 150_000;

/// What poolers drop, and what to do about it.
pub(super) const POOLER: &str = "the settings of the connection do not reach Postgres, as behind PgBouncer or another pooler \
     that shares connections between clients: give the address of Postgres itself. Each replica has a pool of its own";

/// Whether a connection was refused because of the settings that it begins with, as PgBouncer does.
pub(super) fn is_pooler(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|error| error.message().contains("unsupported startup parameter"))
}

/// Planner settings for statements that read an organization's rows by an index.
///
/// Generic plans are the ones that tests/suite/store/plans.rs checks, and cost no planning at each call. Without
/// sequential scans a small table is read as it will be when it is large. A list of keys is joined with a table by one
/// look-up per key; without statistics the planner takes the list for long and the table for short, and reads it whole.
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
    // One scan uses one processor of Postgres' machine.
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];

/// The connection settings of the three roles.
#[derive(Clone)]
pub struct Database {
    app: PgConnectOptions,
    system: PgConnectOptions,
    /// Whoever may make roles and own the schema.
    migration: PgConnectOptions,
    /// Whether the server's processes are of this machine and this service.
    is_private: bool,
}

impl std::fmt::Debug for Database {
    /// Without passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Database").field(&self.place()).finish()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("{0} is no Postgres URL: {1}")]
    Url(&'static str, sqlx::Error),
    /// Where it was, and what to do about it.
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
        "refusing to serve as {0}, which is a superuser or bypasses row-level security; give DATABASE_URL a login that \
         may become sessionary_app"
    )]
    TooPowerful(String),
}

/// Whether a login may not become the role that its connection asks for.
fn is_no_member(error: &sqlx::Error) -> bool {
    let database = error.as_database_error();
    database.is_some_and(|error| error.message().contains("set role") || error.message().contains("role \"sessionary_"))
}

impl Database {
    /// One URL for all, narrowed to each role by the connection option `role`; with `migration_url`, migrations and
    /// the command line use that one instead. A narrowed connection can undo it with SET ROLE NONE: two URLs, the
    /// first of a login that is a member of `sessionary_app` alone, are the strong mode.
    ///
    /// # Errors
    /// When a URL cannot be read.
    pub fn from_urls(url: &str, migration_url: Option<&str>) -> Result<Self, DatabaseError> {
        let read =
            |name, url: &str| url.trim().parse::<PgConnectOptions>().map_err(|error| DatabaseError::Url(name, error));
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
        })
    }

    /// A private cluster behind a Unix socket, where each role has a login of its own.
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
        }
    }

    /// The same database with the request role's connections led over another host and port. For tests that cut
    /// the line.
    #[must_use]
    pub fn with_app_through(mut self, host: &str, port: u16) -> Self {
        let mut app = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(port)
            .username(self.app.get_username())
            .options([("role", "sessionary_app")])
            .ssl_mode(sqlx::postgres::PgSslMode::Disable);
        if let Some(name) = self.app.get_database() {
            app = app.database(name);
        }
        self.app = app;
        self
    }

    /// The name of the login that serves requests.
    pub(super) fn request_login(&self) -> &str {
        self.app.get_username()
    }

    /// Checks that a text is the URL of a Postgres database.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub fn check_url(url: &str) -> Result<(), String> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.trim_start().starts_with(scheme)) {
            return Err("it does not begin with postgres:// or postgresql://".to_owned());
        }
        url.trim().parse::<PgConnectOptions>().map(drop).map_err(|error| error.to_string())
    }

    /// Names host, port, database and user of the login that migrates.
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

    /// For what the owner of the tables does.
    pub(super) fn owner_options(&self) -> PgConnectOptions {
        self.migration_options().options([("role", "sessionary_owner")])
    }

    /// For reading every row, however long that takes, in a form that does not depend on the server's settings.
    pub(super) fn backup_options(&self) -> PgConnectOptions {
        quiet(self.system.clone()).options([
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            ("extra_float_digits", "1"),
            ("bytea_output", "hex"),
            ("row_security", "on"),
        ])
    }

    /// A pool of the system role with settings of its own. Without a `statement_timeout`, a statement takes as long as it
    /// takes.
    pub(super) async fn system_pool(
        &self,
        connections: u32,
        settings: &[(&str, &str)],
    ) -> Result<PgPool, DatabaseError> {
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(5));
        let options = quiet(self.system.clone()).options(settings.iter().copied());
        match pool.connect_with(options.clone()).await {
            Ok(pool) => Ok(pool),
            Err(error) => Err(explain(&options, error).await),
        }
    }

    /// The pool of those statements that read much. Where the server is private, its processes for them give way to
    /// those for small statements.
    pub(super) async fn scan_pool(&self, connections: u32, acquire_timeout: Duration) -> Result<PgPool, DatabaseError> {
        self.pool(connections, acquire_timeout, &SCAN_PLANS, self.is_private).await
    }

    /// The request role's pool, after a look at whether that role is as weak as it should be.
    pub(super) async fn app_pool(&self, connections: u32, acquire_timeout: Duration) -> Result<PgPool, DatabaseError> {
        self.pool(connections, acquire_timeout, &LOOKUP_PLANS, false).await
    }

    async fn pool(
        &self,
        connections: u32,
        acquire_timeout: Duration,
        plans: &[(&str, &str)],
        gives_way: bool,
    ) -> Result<PgPool, DatabaseError> {
        let options = quiet(self.app.clone()).options(plans.iter().copied()).options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            // Without it, the statement of a connection that was closed goes on to its end.
            ("client_connection_check_interval", "1s"),
        ]);
        let pool = PgPoolOptions::new()
            .after_connect(move |connection, _| {
                Box::pin(async move { if gives_way { lower_priority(connection).await } else { Ok(()) } })
            })
            .max_connections(connections)
            .acquire_timeout(acquire_timeout)
            // A broken connection shows itself at its next statement; a ping before each would double the cost.
            .test_before_acquire(false)
            .connect_with(options.clone());
        let pool = match pool.await {
            Ok(pool) => pool,
            Err(error) => {
                return Err(match explain(&options, error).await {
                    DatabaseError::Connect { error, .. } if is_no_member(&error) => DatabaseError::NoMember(error),
                    other => other,
                });
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

    /// For the group tasks. Planning a batch takes longer than writing it, so each statement is planned once per
    /// connection, whatever the length of its lists.
    pub(super) fn app_group_options(&self) -> PgConnectOptions {
        quiet(self.app.clone()).options(LOOKUP_PLANS).options([("statement_timeout", "8s")])
    }
}

/// Lowers the priority of the server's process for a connection. It stays as it is where that is not allowed.
async fn lower_priority(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let process = sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "process!""#).fetch_one(connection).await?;
    if let Some(process) = rustix::process::Pid::from_raw(process)
        && let Err(error) = rustix::process::setpriority_process(Some(process), NICE)
    {
        tracing::debug!(%error, "store.priority_not_lowered");
    }
    Ok(())
}

/// Whether a pooler lends the same connection of Postgres to two clients in turn, as PgBouncer in transaction mode does.
async fn shares_connections(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let (mut one, mut other) = (pool.acquire().await?, pool.acquire().await?);
    let process =
        async |connection| sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "process!""#).fetch_one(connection).await;
    Ok(process(&mut *one).await? == process(&mut *other).await?)
}

/// Connects, within ten seconds, to a Postgres that is new enough.
///
/// # Errors
/// [`DatabaseError::Connect`] says why not, [`DatabaseError::TooOld`] when it is too old.
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

/// Says why a pool could not connect. A pool tries again until its time is up and then knows no reason: one more attempt
/// shows it.
async fn explain(options: &PgConnectOptions, error: sqlx::Error) -> DatabaseError {
    if matches!(error, sqlx::Error::PoolTimedOut)
        && let Err(reason) = connect(options).await
    {
        return reason;
    }
    connect_error(options, error)
}

/// Statements may hold what people said: they are not for the log.
fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("sessionary").disable_statement_logging()
}
