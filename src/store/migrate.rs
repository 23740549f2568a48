//! Bringing a database up to date.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::Database;

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
const ROLES: &str = include_str!("../../migrations/roles.sql");

/// Any number that no other program locks in this database.
const LOCK: i64 = 0x5e55_1014;

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("cannot connect to migrate: {0}")]
    Connect(sqlx::Error),
    #[error(
        "cannot make the roles sessionary_owner, sessionary_app and sessionary_system, or grant them to this login; \
         let one that may create roles run migrations/roles.sql once, or name it in SESSIONARY_MIGRATION_URL: {0}"
    )]
    Roles(sqlx::Error),
    #[error("a migration failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// Makes the roles and runs what is missing of `migrations/`, as `sessionary_owner`.
///
/// Replicas that start at once wait for each other. Running it again changes nothing.
///
/// # Errors
/// When the login may not make roles, or a migration fails; a failed migration leaves nothing behind.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    let mut first = database.migration_options().connect().await.map_err(MigrateError::Connect)?;
    // Held until `first` closes, so that roles and migrations are one step.
    sqlx::query!("SELECT pg_advisory_lock($1)", LOCK).execute(&mut first).await.map_err(MigrateError::Connect)?;

    let mut owner = database.migration_options().options([("role", "sessionary_owner")]).connect().await;
    if owner.is_err() || !roles_are_ready(&mut first).await.map_err(MigrateError::Roles)? {
        make_roles(&mut first).await.map_err(MigrateError::Roles)?;
        owner = database.migration_options().options([("role", "sessionary_owner")]).connect().await;
    }
    let mut owner = owner.map_err(MigrateError::Roles)?;
    MIGRATOR.run_direct(None, &mut owner, false).await?;
    let _ = owner.close().await;
    let _ = first.close().await;
    Ok(())
}

/// Makes a private cluster ready: the database, the schema, and a login for each role.
///
/// # Errors
/// As for [`migrate`].
pub async fn provision(database: &Database) -> Result<(), MigrateError> {
    let name = database.migration_options().get_database().unwrap_or("postgres").to_owned();
    let mut superuser =
        database.migration_options().database("postgres").connect().await.map_err(MigrateError::Connect)?;
    let known = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM pg_database WHERE datname = $1"#, name)
        .fetch_one(&mut superuser)
        .await
        .map_err(MigrateError::Connect)?;
    if known == 0 {
        // Safe: the name is one of ours, and quoted.
        let statement = AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::raw_sql(statement).execute(&mut superuser).await.map_err(MigrateError::Connect)?;
    }
    migrate(database).await?;
    const LOGINS: &str = "ALTER ROLE sessionary_owner LOGIN; ALTER ROLE sessionary_app LOGIN; \
                          ALTER ROLE sessionary_system LOGIN";
    sqlx::raw_sql(LOGINS).execute(&mut superuser).await.map_err(MigrateError::Roles)?;
    let _ = superuser.close().await;
    Ok(())
}

/// Whether everything `migrations/roles.sql` does has been done already, perhaps by a stronger login.
async fn roles_are_ready(connection: &mut sqlx::PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT (count(*) = 3
                   AND bool_and(has_schema_privilege(rolname, 'public', 'USAGE'))
                   AND bool_or(rolname = 'sessionary_owner' AND has_schema_privilege(rolname, 'public', 'CREATE')))
                  AS "ready!"
             FROM pg_roles
            WHERE rolname IN ('sessionary_owner', 'sessionary_app', 'sessionary_system')
              AND pg_has_role(session_user, rolname, 'MEMBER')"#
    )
    .fetch_one(connection)
    .await
}

/// Roles belong to the cluster, the lock to one database of it: another database's migration may be at the same
/// rows of the catalog, which Postgres answers with `tuple concurrently updated` (XX000). Then it is tried again.
async fn make_roles(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
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
