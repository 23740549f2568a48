//! The logins of the suite to its Postgres, chosen by `SUITE_LOGIN`: `.ci/postgres-versions` runs it with each.

#![expect(clippy::disallowed_methods, reason = "the service makes no logins")]

use std::sync::LazyLock;

use sessionary::embedded_postgres::Location;
use sessionary::store::{Database, migrate, provision};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

/// The logins that the service gets.
#[derive(Clone, Copy, Debug)]
pub enum Login {
    /// A login for each role, as in the private Postgres: the default.
    Private,
    /// `DATABASE_URL` of a superuser.
    Superuser,
    /// `DATABASE_URL` of the database's owner, which may create roles and is not a superuser, as in managed services.
    CreateRole,
    /// The same as `SESSIONARY_MIGRATION_URL`, and `DATABASE_URL` of a login that owns nothing.
    Two,
}

const OWNER: &str = "managed";
const SERVED: &str = "served";

static OF_THIS_RUN: LazyLock<Login> = LazyLock::new(|| match std::env::var("SUITE_LOGIN").as_deref() {
    Err(_) | Ok("" | "private") => Login::Private,
    Ok("superuser") => Login::Superuser,
    Ok("createrole") => Login::CreateRole,
    Ok("two") => Login::Two,
    Ok(other) => panic!("SUITE_LOGIN is private, superuser, createrole or two, not {other}"),
});

impl Login {
    pub fn of_this_run() -> Self {
        *OF_THIS_RUN
    }

    /// Creates the logins and a database with the service's schema.
    pub async fn prepare(self, location: &Location, name: &str) -> Database {
        let database = self.database(location, name);
        let options = PgConnectOptions::new_without_pgpass().socket(&location.socket_dir).port(location.port);
        let options = options.username(&location.superuser).database("postgres");
        let mut superuser = options.connect().await.expect("a superuser");
        if matches!(self, Self::Private) {
            provision(&database).await.expect("a schema");
            return database;
        }
        for statement in [
            format!("CREATE ROLE {OWNER} LOGIN CREATEROLE NOSUPERUSER"),
            format!("CREATE ROLE {SERVED} LOGIN NOSUPERUSER"),
            self.create_database(name),
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut superuser).await.expect("a login");
        }
        migrate(&database).await.expect("a schema");
        // For reading rows directly, which no deployment needs.
        let logins =
            "ALTER ROLE sessionary_owner LOGIN; ALTER ROLE sessionary_app LOGIN; ALTER ROLE sessionary_system LOGIN";
        sqlx::raw_sql(logins).execute(&mut superuser).await.expect("logins");
        database
    }

    /// Returns the statement that creates a database for this login.
    pub fn create_database(self, name: &str) -> String {
        match self {
            Self::Private | Self::Superuser => format!("CREATE DATABASE {name}"),
            Self::CreateRole | Self::Two => format!("CREATE DATABASE {name} OWNER {OWNER}"),
        }
    }

    /// Returns a database of that Postgres, which may not exist.
    pub fn database(self, location: &Location, name: &str) -> Database {
        let folder = location.socket_dir.display().to_string().replace('/', "%2F");
        let url = |login: &str| format!("postgres://{login}@localhost:{}/{name}?host={folder}", location.port);
        let (app, migration) = match self {
            Self::Private => {
                return Database::on_socket(&location.socket_dir, location.port, &location.superuser, name);
            }
            Self::Superuser => (url(&location.superuser), None),
            Self::CreateRole => (url(OWNER), None),
            Self::Two => (url(SERVED), Some(url(OWNER))),
        };
        Database::from_urls(&app, migration.as_deref()).expect("URLs")
    }

    /// Returns the same database, with the connections of the request role through a port of this machine.
    pub fn database_through(self, location: &Location, name: &str, port: u16) -> Database {
        let login = match self {
            Self::Private => "sessionary_app",
            Self::Superuser => &location.superuser,
            Self::CreateRole => OWNER,
            Self::Two => SERVED,
        };
        let folder = location.socket_dir.display().to_string().replace('/', "%2F");
        let app = format!("postgres://{login}@127.0.0.1:{port}/{name}?sslmode=disable");
        let migration = format!("postgres://{}@localhost:{}/{name}?host={folder}", location.superuser, location.port);
        Database::from_urls(&app, Some(&migration)).expect("URLs")
    }
}
