//! What the `doctor` command reads from a database.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::database::{connect, connect_error};
use super::{Database, DatabaseError, Tls, tls};
use crate::domain::Timestamp;

/// One of the three roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseRole {
    /// Serves requests.
    App,
    /// The command line and the workers.
    System,
    /// Owns the schema and migrates it.
    Owner,
}

impl DatabaseRole {
    pub const ALL: [Self; 3] = [Self::App, Self::System, Self::Owner];

    /// Returns its name in Postgres.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "sessionary_app",
            Self::System => "sessionary_system",
            Self::Owner => "sessionary_owner",
        }
    }
}

/// The login and the role of a connection.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user that logged in.
    pub login: String,
    /// The role under which statements run.
    pub role: String,
    /// Whether the role is a superuser or bypasses row-level security.
    pub bypasses_isolation: bool,
}

/// Facts about a server.
#[derive(Clone, Debug)]
pub struct Server {
    pub version: String,
    pub now: Timestamp,
    pub database_bytes: i64,
    pub max_connections: i32,
    pub used_connections: i64,
    /// Whether it is read-only, as a standby is.
    pub is_read_only: bool,
    /// The version of TLS that the connection uses.
    pub tls_version: Option<String>,
}

/// A table of the schema.
#[derive(Clone, Debug)]
pub struct TableIsolation {
    pub name: String,
    /// Whether row-level security is enabled and forced.
    pub is_isolated: bool,
}

impl Database {
    /// Returns the connection settings of a role.
    pub(super) fn options_of(&self, role: DatabaseRole) -> PgConnectOptions {
        match role {
            DatabaseRole::App => self.app_options(),
            DatabaseRole::System => self.system_options(),
            DatabaseRole::Owner => self.owner_options(),
        }
    }

    /// Logs in as a role.
    ///
    /// # Errors
    /// When the login is rejected, or the server cannot be reached.
    pub async fn log_in(&self, role: DatabaseRole) -> Result<Login, DatabaseError> {
        let options = self.options_of(role);
        let mut connection = connect(&options).await?;
        let row = sqlx::query!(
            r#"SELECT session_user::text AS "login!", current_user::text AS "role!",
                      rolsuper OR rolbypassrls AS "bypasses!"
                 FROM pg_roles WHERE rolname = current_user"#
        )
        .fetch_one(&mut connection)
        .await
        .map_err(|error| connect_error(&options, error))?;
        let _ = connection.close().await;
        Ok(Login { login: row.login, role: row.role, bypasses_isolation: row.bypasses })
    }

    /// Returns the server's version, clock and connection limits.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn server(&self) -> Result<Server, DatabaseError> {
        let options = self.migration_options();
        let mut connection = connect(&options).await?;
        let server = read_server(&mut connection).await.map_err(|error| connect_error(&options, error))?;
        let _ = connection.close().await;
        Ok(server)
    }

    /// Returns how a connection with this version of TLS is protected.
    #[must_use]
    pub fn tls(&self, version: Option<&str>) -> Tls {
        tls::described(&self.migration_options(), version)
    }

    /// Returns the tables of the schema, except for the table of migrations.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn table_isolation(&self) -> Result<Vec<TableIsolation>, DatabaseError> {
        let options = self.migration_options();
        let mut connection = connect(&options).await?;
        let tables = sqlx::query_as!(
            TableIsolation,
            r#"SELECT c.relname::text AS "name!", c.relrowsecurity AND c.relforcerowsecurity AS "is_isolated!"
                 FROM pg_class c
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                  AND c.relowner = (SELECT oid FROM pg_roles WHERE rolname = 'sessionary_owner')
                  AND c.relname <> '_sqlx_migrations'
                ORDER BY 1"#
        )
        .fetch_all(&mut connection)
        .await
        .map_err(|error| connect_error(&options, error))?;
        let _ = connection.close().await;
        Ok(tables)
    }
}

async fn read_server(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    sqlx::query_as!(
        Server,
        r#"SELECT current_setting('server_version') AS "version!", clock_timestamp() AS "now!",
                  pg_database_size(current_database()) AS "database_bytes!",
                  current_setting('max_connections')::integer AS "max_connections!",
                  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS "used_connections!",
                  pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS "is_read_only!",
                  (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls_version"#
    )
    .fetch_one(connection)
    .await
}
