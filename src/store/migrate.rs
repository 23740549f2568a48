//! Migrates a database.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::database::connect;
use super::distribute::{self, DistributeError, Distributed};
use super::pooler::POOLER;
use super::schema::{MIGRATOR, Schema, SchemaError};
use super::{Database, DatabaseError, advice};

const ROLES: &str = include_str!("../../migrations/roles.sql");

/// An arbitrary number that no other program locks in this database.
const LOCK: i64 = 0x5e55_1014;
/// How often a replica checks whether another one is still migrating.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Time limit for a lock, or for earlier transactions, in a statement of a migration. Otherwise a replica of an earlier
/// version that waits for this migration to end could block CREATE INDEX CONCURRENTLY for ever.
const LOCK_TIMEOUT: &str = "60s";

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Connect(#[from] DatabaseError),
    #[error("cannot migrate: {}", advice::described(.0))]
    Statement(sqlx::Error),
    #[error(
        "cannot make the roles sessionary_owner, sessionary_app and sessionary_system, or grant them to this login; \
         let one that may create roles run migrations/roles.sql once, or name it in SESSIONARY_MIGRATION_URL: {}",
        advice::described(.0)
    )]
    Roles(sqlx::Error),
    #[error(
        "sessionary_owner may not make tables in the schema public of this database; let the database's owner run \
         migrations/roles.sql once, or name that login in SESSIONARY_MIGRATION_URL"
    )]
    PublicSchema,
    #[error("{POOLER}")]
    Pooler,
    #[error("cannot drop an index that an earlier migration left unfinished: {}", advice::described(.0))]
    Index(sqlx::Error),
    #[error("a migration failed: {}", advice::described_migration(.0))]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Distribute(#[from] DistributeError),
}

/// The result of a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that were applied, oldest first; none if the database was up to date.
    pub applied: Vec<i64>,
    /// What was distributed, if the database is distributed.
    pub distributed: Option<Distributed>,
}

/// Whether and how a database is distributed, beside being migrated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Distributes a database that is not yet. One that is gets what newer migrations need in any case.
    pub is_wanted: bool,
    /// The number of shards; `None` for a number by the nodes.
    pub shards: Option<usize>,
}

/// Creates the roles and applies the missing migrations, as `sessionary_owner`.
///
/// Replicas that start at once wait for each other. Running it again changes nothing.
///
/// # Errors
/// [`MigrateError::Connect`] when the database cannot be reached, [`MigrateError::Roles`] when the login may not create
/// roles, or the error of a migration, which is rolled back. [`MigrateError::Schema`] when the database has migrations
/// that this program does not know and that are not marked as compatible with it; nothing is changed then.
pub async fn migrate(database: &Database) -> Result<Migrated, MigrateError> {
    run(database, None, Distribution::default()).await
}

/// Migrates a database and distributes it by organization over the nodes of Citus. Running it again changes nothing. No
/// replica may serve meanwhile.
///
/// # Errors
/// The same as those of [`migrate`], and [`MigrateError::Distribute`] when the database cannot be distributed.
pub async fn migrate_distributed(database: &Database, shards: Option<usize>) -> Result<Migrated, MigrateError> {
    run(database, None, Distribution { is_wanted: true, shards }).await
}

/// Creates the roles and applies the missing migrations up to `last`.
///
/// # Errors
/// The same as those of [`migrate`].
pub(super) async fn migrate_to(database: &Database, last: i64) -> Result<Migrated, MigrateError> {
    run(database, Some(last), Distribution::default()).await
}

async fn run(database: &Database, last: Option<i64>, distribution: Distribution) -> Result<Migrated, MigrateError> {
    let mut first = connect_directly(database).await?;
    // Locked until `first` closes, so that creating roles and migrating are one step.
    lock(&mut first).await.map_err(MigrateError::Statement)?;

    let is_distributed = distribute::is_distributed(&mut first).await.map_err(MigrateError::Statement)?;
    // Citus would make the functions on every node at once, before it knows the roles there.
    let propagation = if is_distributed { "on" } else { "off" };
    let as_owner = database
        .owner_options()
        .options([("lock_timeout", LOCK_TIMEOUT), ("citus.enable_ddl_propagation", propagation)]);
    let mut owner = as_owner.connect().await;
    if owner.is_err() || !roles_are_ready(&mut first).await.map_err(MigrateError::Roles)? {
        make_roles(&mut first).await.map_err(MigrateError::Roles)?;
        // Postgres only warns a login that may not grant it.
        if !roles_are_ready(&mut first).await.map_err(MigrateError::Roles)? {
            return Err(MigrateError::PublicSchema);
        }
        owner = as_owner.connect().await;
    }
    let mut owner = owner.map_err(MigrateError::Roles)?;
    admit_request_login(&mut first, database).await.map_err(MigrateError::Roles)?;
    let schema = Schema::read(&mut owner).await.map_err(MigrateError::Statement)?;
    schema.check_unknown()?;
    if is_distributed && !schema.pending().is_empty() {
        distribute::detach(database, &mut first).await?;
    }
    drop_invalid_indexes(&mut owner).await.map_err(MigrateError::Index)?;
    MIGRATOR.run_direct(last, &mut owner, false).await?;
    mark_concurrent_ones(&mut owner, last).await.map_err(MigrateError::Statement)?;
    let _ = owner.close().await;
    let is_applied = |version: &i64| last.is_none_or(|last| *version <= last);
    let applied: Vec<i64> = schema.pending().into_iter().filter(is_applied).collect();
    let distributed = if distribution.is_wanted || is_distributed && !applied.is_empty() {
        Some(distribute::distribute(database, &mut first, distribution.shards).await?)
    } else {
        None
    };
    let _ = first.close().await;
    Ok(Migrated { applied, distributed })
}

/// Connects to Postgres directly, or fails if there is a pooler in between. Called before anything else, because a
/// pooler would give the lock to other clients, and the tables to the login instead of their owner.
pub(super) async fn connect_directly(database: &Database) -> Result<sqlx::PgConnection, MigrateError> {
    let options = database.migration_options().options([("sessionary.direct", "on")]);
    let mut connection = connect(&options).await?;
    // As text, because a pooler's connection may have another client's prepared statement of the same name.
    let arrived = sqlx::raw_sql("SELECT current_setting('sessionary.direct', true)").fetch_one(&mut connection).await;
    let arrived: Option<String> = arrived.and_then(|row| row.try_get(0)).map_err(MigrateError::Statement)?;
    if arrived.as_deref() == Some("on") { Ok(connection) } else { Err(MigrateError::Pooler) }
}

/// Waits until no other replica is migrating, and locks out the others until the connection closes.
///
/// Polls instead of waiting in one statement, because CREATE INDEX CONCURRENTLY waits for the end of every statement
/// that began before it: the migrating replica and the waiting one would deadlock.
async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    loop {
        let locked = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1) AS "locked!""#, LOCK);
        if locked.fetch_one(&mut *connection).await? {
            return Ok(());
        }
        tokio::time::sleep(ASK_AGAIN_AFTER).await;
    }
}

/// Marks the applied migrations without a transaction as compatible. Such a migration consists of one statement, because
/// several would be a transaction, so that its mark is in a comment.
async fn mark_concurrent_ones(owner: &mut PgConnection, last: Option<i64>) -> Result<(), sqlx::Error> {
    let applied = MIGRATOR.iter().filter(|migration| last.is_none_or(|last| migration.version <= last));
    for migration in applied.filter(|migration| migration.no_tx) {
        let mut lines = migration.sql.as_str().lines();
        let Some(mark) = lines.find_map(|line| line.strip_prefix("-- INSERT INTO migration_compatibility ")) else {
            continue;
        };
        // Safe: it is a part of this program.
        let mark = format!("INSERT INTO migration_compatibility {} ON CONFLICT DO NOTHING", mark.trim_end_matches(';'));
        sqlx::raw_sql(AssertSqlSafe(mark)).execute(&mut *owner).await?;
    }
    Ok(())
}

/// Drops an index that an interrupted CREATE INDEX CONCURRENTLY left invalid. It would slow down writes and serve no
/// query. The migration that creates it runs again.
async fn drop_invalid_indexes(owner: &mut PgConnection) -> Result<(), sqlx::Error> {
    let invalid = sqlx::query_scalar!(
        r#"SELECT format('%I.%I', n.nspname, c.relname) AS "name!"
             FROM pg_index i
             JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'public' AND NOT i.indisvalid AND pg_has_role(c.relowner, 'USAGE')"#
    )
    .fetch_all(&mut *owner)
    .await?;
    for name in invalid {
        // Safe: Postgres has quoted the name.
        sqlx::raw_sql(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))).execute(&mut *owner).await?;
    }
    Ok(())
}

/// Prepares a private cluster: creates the database, its schema, and a login for each role.
///
/// # Errors
/// The same as those of [`migrate`].
pub async fn provision(database: &Database) -> Result<Migrated, MigrateError> {
    create_database(database).await?;
    let migrated = migrate(database).await?;
    allow_logins(database).await?;
    Ok(migrated)
}

/// Creates the database of a private cluster, without tables, if it does not exist.
///
/// # Errors
/// [`MigrateError::Connect`] when the cluster cannot be reached.
pub async fn create_database(database: &Database) -> Result<(), MigrateError> {
    let name = database.migration_options().get_database().unwrap_or("postgres").to_owned();
    let mut superuser = connect(&database.migration_options().database("postgres")).await?;
    let known = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM pg_database WHERE datname = $1"#, name)
        .fetch_one(&mut superuser)
        .await
        .map_err(MigrateError::Statement)?;
    if known == 0 {
        // Safe: the name is one of ours, and quoted.
        let statement = AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::raw_sql(statement).execute(&mut superuser).await.map_err(MigrateError::Statement)?;
    }
    let _ = superuser.close().await;
    Ok(())
}

/// Lets each role of a private cluster log in.
///
/// # Errors
/// [`MigrateError::Roles`] when the roles do not exist.
pub async fn allow_logins(database: &Database) -> Result<(), MigrateError> {
    const LOGINS: &str = "ALTER ROLE sessionary_owner LOGIN; ALTER ROLE sessionary_app LOGIN; \
                          ALTER ROLE sessionary_system LOGIN";
    let mut superuser = connect(&database.migration_options().database("postgres")).await?;
    sqlx::raw_sql(LOGINS).execute(&mut superuser).await.map_err(MigrateError::Roles)?;
    let _ = superuser.close().await;
    Ok(())
}

/// Makes the login that serves requests a member of `sessionary_app`, unless it already is one or is the login that
/// migrates.
pub(super) async fn admit_request_login(connection: &mut PgConnection, database: &Database) -> Result<(), sqlx::Error> {
    let login = database.request_login();
    let is_outside = sqlx::query_scalar!(
        r#"SELECT NOT pg_has_role(rolname, 'sessionary_app',
                                  CASE WHEN current_setting('server_version_num')::integer < 160000
                                       THEN 'MEMBER' ELSE 'SET' END) AS "is_outside!"
             FROM pg_roles WHERE rolname = $1 AND rolname <> session_user"#,
        login
    )
    .fetch_optional(&mut *connection)
    .await?;
    if is_outside == Some(true) {
        // The options are the defaults, unless an existing grant has others.
        let grant = sqlx::query_scalar!(
            r#"SELECT format('GRANT sessionary_app TO %I%s', $1::text,
                             CASE WHEN current_setting('server_version_num')::integer >= 160000
                                  THEN ' WITH SET TRUE, INHERIT TRUE' END) AS "grant!""#,
            login
        )
        .fetch_one(&mut *connection)
        .await?;
        // Safe: the server has quoted the name.
        sqlx::raw_sql(AssertSqlSafe(grant)).execute(connection).await?;
    }
    Ok(())
}

/// Returns whether `migrations/roles.sql` has been applied already, perhaps by a login with more rights. Since Postgres
/// 16 a member may be unable to become the role.
async fn roles_are_ready(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT (count(*) = 3
                   AND bool_and(has_schema_privilege(rolname, 'public', 'USAGE'))
                   AND bool_or(rolname = 'sessionary_owner' AND has_schema_privilege(rolname, 'public', 'CREATE')))
                  AS "ready!"
             FROM pg_roles
            WHERE rolname IN ('sessionary_owner', 'sessionary_app', 'sessionary_system')
              AND pg_has_role(session_user, rolname,
                              CASE WHEN current_setting('server_version_num')::integer < 160000
                                   THEN 'MEMBER' ELSE 'SET' END)"#
    )
    .fetch_one(connection)
    .await
}

/// Creates the roles. They belong to the cluster, but the lock belongs to one of its databases: the migration of
/// another database may change the same rows of the catalog, which Postgres reports as `tuple concurrently updated`
/// (XX000). Then this tries again.
pub(super) async fn make_roles(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut attempts = 0;
    loop {
        match sqlx::raw_sql(AssertSqlSafe(ROLES)).execute(&mut *connection).await {
            Err(sqlx::Error::Database(error)) if attempts < 20 && error.code().as_deref() == Some("XX000") => {
                attempts += 1;
            }
            result => return result.map(|_| ()),
        }
    }
}
