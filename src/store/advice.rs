//! Describes errors of Postgres to an operator, and what to do about them.

use std::borrow::Cow;
use std::io::ErrorKind;

use sqlx::postgres::PgConnectOptions;

/// Describes an error by Postgres's message and its code. The driver's own text would add a line number of Postgres's C
/// source.
pub(super) fn described(error: &sqlx::Error) -> String {
    let message = match error {
        sqlx::Error::Database(database) => match database.code() {
            Some(code) => format!("{} (SQLSTATE {code})", database.message()),
            None => database.message().to_owned(),
        },
        sqlx::Error::PoolTimedOut => "it did not respond in time".to_owned(),
        other => other.to_string(),
    };
    match advice(error) {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
    }
}

/// Describes a failed migration like [`described`].
pub(super) fn described_migration(error: &sqlx::migrate::MigrateError) -> String {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::Execute(error) => described(error),
        MigrateError::ExecuteMigration(error, version) => format!("migration {version}: {}", described(error)),
        MigrateError::VersionMismatch(version) => format!(
            "migration {version} was changed after it had been applied: this database belongs to another build of \
             Sessionary; run the one that migrated it"
        ),
        other => other.to_string(),
    }
}

/// Returns what to do about an error, or `None` if the error does not show it.
fn advice(error: &sqlx::Error) -> Option<&'static str> {
    let code = error.as_database_error().and_then(|error| error.code());
    let by_code = |code: Cow<'_, str>| match code.as_ref() {
        "28P01" | "28000" => Some("check the user name and the password in the URL, and pg_hba.conf"),
        "3D000" => Some("create it (CREATE DATABASE), or name another in the URL"),
        // The role of the connection, or a table or column of a migration, does not exist.
        "22023" | "42704" | "42P01" | "42703" | "42883" => Some("run `sessionary migrate`"),
        "42501" => Some(
            "let a login that may create roles run `sessionary migrate` (SESSIONARY_MIGRATION_URL), or run \
             migrations/roles.sql as one",
        ),
        "53300" => Some("raise max_connections, or run fewer replicas: each takes about 20 connections"),
        "53100" => Some("free disk space on the database's machine"),
        "57P03" => Some("it is starting or stopping; try again"),
        "25006" => Some("it is a standby or set read-only; name the primary"),
        _ => None,
    };
    match error {
        sqlx::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                Some("check that Postgres runs there, and the host and the port in the URL")
            }
            ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                Some("check the host in the URL, and what a firewall lets through")
            }
            _ => None,
        },
        sqlx::Error::Tls(_) => Some(
            "the certificate of a server on another machine is verified unless the URL says otherwise: name its \
             authority (sslrootcert=/path/ca.pem), or on a trusted network set sslmode=disable or sslmode=require",
        ),
        _ => code.and_then(by_code),
    }
}

/// Describes the target of a login: host, port, database and user, never the password.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    format!("{host}:{}, database {database}, user {user}", options.get_port())
}
