//! What the `doctor` command reads from the nodes of a distributed database.

use sqlx::{Connection, PgConnection, Row};

use super::database::{connect, connect_error};
use super::shards::{Node, read_placements};
use super::{Database, DatabaseError};

/// A node and its shards.
#[derive(Clone, Debug)]
pub struct NodeState {
    pub node: Node,
    /// How many shards of organizations it has.
    pub shards: usize,
    /// What was read there; the reason if that failed.
    pub facts: Result<NodeFacts, String>,
}

/// Facts about one node.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// Whether the three roles are there and can log in.
    pub has_roles: bool,
    /// Whether the functions of shards are there.
    pub has_functions: bool,
    /// Tables of shards whose row-level security is not enabled and forced, or which have no policy.
    pub open_tables: i64,
    /// Bytes of the largest shard, and of all together.
    pub largest_shard_bytes: i64,
    pub bytes: i64,
}

/// The state of a distributed database.
#[derive(Clone, Debug)]
pub struct NodesState {
    pub nodes: Vec<NodeState>,
    /// How many shards are being moved.
    pub moving: i64,
    /// Transactions that were prepared by Citus and not ended.
    pub prepared: i64,
}

impl Database {
    /// Returns the state of the nodes; `None` if the database is not distributed.
    ///
    /// # Errors
    /// When the coordinator cannot be reached. A node that cannot be reached is in the result.
    pub async fn nodes(&self) -> Result<Option<NodesState>, DatabaseError> {
        let options = self.migration_options();
        let failed = |error| connect_error(&options, error);
        let mut coordinator = connect(&options).await?;
        let Some(placements) = read_placements(&mut coordinator).await.map_err(failed)? else { return Ok(None) };
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM get_rebalance_progress() WHERE progress < 2),
                    (SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'citus\\_%')",
        )
        .fetch_one(&mut coordinator)
        .await
        .map_err(failed)?;
        let (moving, prepared) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let _ = coordinator.close().await;
        let mut nodes: Vec<NodeState> = Vec::new();
        for placement in placements {
            match nodes.iter_mut().find(|state| state.node == placement.node) {
                Some(state) => state.shards += 1,
                None => {
                    let facts = self.on_node(&placement.node).node_facts().await;
                    let facts = facts.map_err(|error| error.to_string());
                    nodes.push(NodeState { node: placement.node, shards: 1, facts });
                }
            }
        }
        Ok(Some(NodesState { nodes, moving, prepared }))
    }

    async fn node_facts(&self) -> Result<NodeFacts, DatabaseError> {
        // Citus hides the tables of shards from the catalog otherwise.
        let options = self.migration_options().options([("citus.override_table_visibility", "off")]);
        let mut connection = connect(&options).await?;
        let facts = read_facts(&mut connection).await.map_err(|error| connect_error(&options, error));
        let _ = connection.close().await;
        facts
    }
}

async fn read_facts(connection: &mut PgConnection) -> Result<NodeFacts, sqlx::Error> {
    // Without macros, because these tables are not in the database that statements are checked with.
    let row = sqlx::query(
        "WITH here AS (
             SELECT c.oid, c.relrowsecurity AND c.relforcerowsecurity
                           AND EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = c.oid) AS is_closed, s.shardminvalue
               FROM pg_dist_shard s
               JOIN pg_dist_placement p ON p.shardid = s.shardid
                AND p.groupid = (SELECT groupid FROM pg_dist_local_group)
               JOIN pg_class t ON t.oid = s.logicalrelid
               JOIN pg_class c ON c.relname = format('%s_%s', t.relname, s.shardid) AND c.relnamespace = t.relnamespace
         ), sizes AS (SELECT sum(pg_total_relation_size(oid))::bigint AS bytes FROM here GROUP BY shardminvalue)
         SELECT (SELECT count(*) = 3 FROM pg_roles
                  WHERE rolname IN ('sessionary_owner', 'sessionary_app', 'sessionary_system') AND rolcanlogin),
                to_regprocedure('public.attach_shard(bigint)') IS NOT NULL,
                (SELECT count(*) FROM here WHERE NOT is_closed),
                COALESCE((SELECT max(bytes) FROM sizes), 0),
                COALESCE((SELECT sum(bytes)::bigint FROM sizes), 0)",
    )
    .fetch_one(connection)
    .await?;
    Ok(NodeFacts {
        has_roles: row.try_get(0)?,
        has_functions: row.try_get(1)?,
        open_tables: row.try_get(2)?,
        largest_shard_bytes: row.try_get(3)?,
        bytes: row.try_get(4)?,
    })
}
