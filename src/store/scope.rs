//! The tenant scope: which organizations a statement may see.
//!
//! Every statement names `org_id` as well; this is the second wall, kept by Postgres itself. The text of the policy
//! that reads the setting is in `migrations/0001_isolation.sql`.

use std::fmt::Write as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Postgres, SqlSafeStr, Transaction,
};

use crate::domain::OrgId;

fn begin_statement(orgs: &[OrgId], settings: &'static str) -> impl SqlSafeStr {
    narrowing(format!("BEGIN; {settings}SET LOCAL"), orgs)
}

/// `set` of the scope to exactly `orgs`.
fn narrowing(set: String, orgs: &[OrgId]) -> impl SqlSafeStr {
    let mut statement = set;
    statement.reserve(24 + 37 * orgs.len());
    statement.push_str(" app.org_ids = '{");
    for (place, org) in orgs.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(statement, "{comma}{org}");
    }
    statement.push_str("}'");
    // Safe: nothing but the hexadecimal digits and hyphens of UUIDs was added.
    AssertSqlSafe(statement)
}

/// A connection that one task holds, and whom its statements see.
///
/// The scope outlives the transaction here. A distributed Postgres that hands on `SET LOCAL` alone needs
/// [`Held::narrowed`] to begin a transaction for each statement, as [`Held::begin`] does.
pub(super) struct Held {
    connection: PgConnection,
    sees: Vec<OrgId>,
}

impl Held {
    pub async fn connect(options: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        Ok(Self { connection: options.connect().await?, sees: Vec::new() })
    }

    /// The connection for statements that are a transaction each, and that see exactly `orgs`: one round trip where
    /// [`Held::begin`] and its COMMIT make three. The scope stays as it was for a caller who names the same again.
    pub async fn narrowed(&mut self, orgs: &[OrgId]) -> Result<&mut PgConnection, sqlx::Error> {
        if self.sees != orgs {
            // Until it is answered, nobody knows which of the two scopes holds.
            self.sees.clear();
            self.connection.execute(narrowing("SET".to_owned(), orgs)).await?;
            self.sees.extend_from_slice(orgs);
        }
        Ok(&mut self.connection)
    }

    /// Begins a transaction that sees exactly `orgs`.
    pub async fn begin(&mut self, orgs: &[OrgId]) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
        self.connection.begin_with(begin_statement(orgs, "")).await
    }
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
