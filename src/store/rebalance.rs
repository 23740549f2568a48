//! Moves shards so that every node has its share.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::Database;
use super::distribute::{DistributeError, is_distributed};
use super::error::is_locked;
use super::migrate::{MigrateError, connect_directly};

/// An arbitrary number that no other program locks in this database.
const LOCK: i64 = 0x5e55_1015;
/// How long one attempt to lock a table waits, and how many there are.
const LOCK_TIMEOUT: &str = "1s";
const LOCK_ATTEMPTS: u32 = 60;

/// A shard group that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebalanced {
    /// How many shards are on another node now.
    pub moved: usize,
}

/// Moves shards by logical replication until every node has its share. Requests go on; those of a shard wait for a moment
/// when it is handed over.
///
/// The replication writes as the owner of the tables, which a forced row-level security rejects, so it is not forced
/// meanwhile. That is about the owner alone: requests are made by a role that owns nothing, and reach what the owner may
/// do only through functions that check the scope, except for one that appends to the audit log. An interrupted run leaves
/// it so, which the doctor reports, and the next run ends it.
///
/// # Errors
/// [`MigrateError::Distribute`] when the database is not distributed, or the error of Citus. Shards that were moved stay
/// where they are.
pub async fn rebalance(database: &Database) -> Result<Rebalanced, MigrateError> {
    let mut login = connect_directly(database).await?;
    if !is_distributed(&mut login).await.map_err(MigrateError::Statement)? {
        return Err(DistributeError::NotDistributed.into());
    }
    let owner = database.owner_options().options([("lock_timeout", LOCK_TIMEOUT)]).connect().await;
    let mut owner = owner.map_err(MigrateError::Roles)?;
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut owner)
        .await
        .map_err(MigrateError::Statement)?;
    if !locked {
        return Err(DistributeError::Rebalancing.into());
    }
    let before = placements(&mut login).await.map_err(MigrateError::Statement)?;
    let rebalanced = move_shards(&mut login, &mut owner).await;
    // Also after an error.
    let forced = force(&mut owner, true).await;
    rebalanced.and(forced).map_err(MigrateError::Statement)?;
    let after = placements(&mut login).await.map_err(MigrateError::Statement)?;
    let _ = owner.close().await;
    let _ = login.close().await;
    Ok(Rebalanced { moved: after.iter().filter(|placement| !before.contains(placement)).count() })
}

async fn move_shards(login: &mut PgConnection, owner: &mut PgConnection) -> Result<(), sqlx::Error> {
    force(owner, false).await?;
    sqlx::query("SELECT rebalance_table_shards('public.organizations', shard_transfer_mode => 'force_logical')")
        .execute(login)
        .await?;
    Ok(())
}

/// Forces row-level security of all distributed tables upon their owner, or ends that. One table after the other, each with
/// a short wait for its lock, because requests wait behind it.
async fn force(owner: &mut PgConnection, is_forced: bool) -> Result<(), sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT d.logicalrelid::text FROM pg_dist_partition d JOIN pg_class c ON c.oid = d.logicalrelid
          WHERE c.relforcerowsecurity <> $1 ORDER BY 1",
    )
    .bind(is_forced)
    .fetch_all(&mut *owner)
    .await?;
    let action = if is_forced { "FORCE" } else { "NO FORCE" };
    for table in tables {
        let mut attempts = 1;
        loop {
            // Safe: the server has quoted the name.
            let statement = AssertSqlSafe(format!("ALTER TABLE {table} {action} ROW LEVEL SECURITY"));
            match sqlx::raw_sql(statement).execute(&mut *owner).await {
                Err(error) if is_locked(&error) && attempts < LOCK_ATTEMPTS => attempts += 1,
                result => break result.map(drop)?,
            }
        }
    }
    Ok(())
}

/// Returns the node of each shard of the organizations.
async fn placements(login: &mut PgConnection) -> Result<Vec<(i64, i32)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT s.shardid, p.groupid FROM pg_dist_shard s JOIN pg_dist_placement p USING (shardid)
          WHERE s.logicalrelid = 'public.organizations'::regclass",
    )
    .fetch_all(login)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
