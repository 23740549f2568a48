//! The tenant scope: which organizations a transaction may see.
//!
//! Every statement names `org_id` as well; this is the second wall, kept by Postgres itself. The text of the policy
//! that reads the setting is in `migrations/0001_isolation.sql`.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, SqlSafeStr, Transaction};

use crate::domain::OrgId;

fn begin_statement(orgs: &[OrgId], settings: &'static str) -> impl SqlSafeStr {
    let mut statement = String::with_capacity(64 + settings.len() + 37 * orgs.len());
    statement.push_str("BEGIN; ");
    statement.push_str(settings);
    statement.push_str("SET LOCAL app.org_ids = '{");
    for (place, org) in orgs.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(statement, "{comma}{org}");
    }
    statement.push_str("}'");
    // Safe: nothing but the hexadecimal digits and hyphens of UUIDs was added.
    AssertSqlSafe(statement)
}

/// Begins a transaction on a held connection that sees exactly `orgs`.
pub(super) async fn begin<'c>(
    connection: &'c mut PgConnection,
    orgs: &[OrgId],
) -> Result<Transaction<'c, Postgres>, sqlx::Error> {
    connection.begin_with(begin_statement(orgs, "")).await
}

/// Begins a transaction on a connection of the pool that sees exactly `org`.
pub(super) async fn begin_pooled(pool: &PgPool, org: OrgId) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with(begin_statement(&[org], "")).await
}

/// The same, for a transaction whose COMMIT does not wait for the disk: a crash may lose it, but not without everything
/// that was committed after it.
pub(super) async fn begin_unflushed(pool: &PgPool, org: OrgId) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    pool.begin_with(begin_statement(&[org], "SET LOCAL synchronous_commit = off; ")).await
}
