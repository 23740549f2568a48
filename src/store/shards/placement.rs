//! Which shards there are, and on which node each of them is.

use std::ops::RangeInclusive;

use sqlx::{PgConnection, Row};

/// The number of a shard, which is that of its part of `organizations`. All tables are distributed in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub(super) i64);

impl std::fmt::Display for ShardId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ShardId {
    /// Returns the schema that has the shard's views.
    pub(in crate::store) fn schema(self) -> String {
        format!("shard_{self}")
    }
}

/// A server of a distributed database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub host: String,
    pub port: u16,
}

/// A shard, the hashes of the organizations that are in it, and its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub shard: ShardId,
    pub hashes: RangeInclusive<i32>,
    pub node: Node,
}

/// Returns the shards by their hashes, or `None` if the database is not distributed. Every node knows all of them.
///
/// # Errors
/// When the statement fails, or the shards do not cover every hash.
pub(in crate::store) async fn read(connection: &mut PgConnection) -> Result<Option<Vec<Placement>>, sqlx::Error> {
    // Without macros, because these tables are not in the database that statements are checked with.
    let is_citus = sqlx::query_scalar("SELECT to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL");
    if !is_citus.fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    let rows = sqlx::query(
        "SELECT s.shardid, s.shardminvalue::integer, s.shardmaxvalue::integer, n.nodename, n.nodeport
           FROM pg_dist_shard s
           JOIN pg_dist_placement p USING (shardid)
           JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'
          WHERE s.logicalrelid = to_regclass('public.organizations')
          ORDER BY 2",
    )
    .fetch_all(connection)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let placements = rows.iter().map(|row| {
        let port: i32 = row.try_get(4)?;
        let port = u16::try_from(port).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let (first, last): (i32, i32) = (row.try_get(1)?, row.try_get(2)?);
        let node = Node { host: row.try_get(3)?, port };
        Ok(Placement { shard: ShardId(row.try_get(0)?), hashes: first..=last, node })
    });
    let placements = placements.collect::<Result<Vec<Placement>, sqlx::Error>>()?;
    if covers_every_hash(&placements) {
        Ok(Some(placements))
    } else {
        Err(sqlx::Error::Decode("the shards of organizations do not cover every hash once".into()))
    }
}

fn covers_every_hash(placements: &[Placement]) -> bool {
    let mut next = Some(i32::MIN);
    for placement in placements {
        if next != Some(*placement.hashes.start()) {
            return false;
        }
        next = placement.hashes.end().checked_add(1);
    }
    next.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(first: i32, last: i32) -> Placement {
        let node = Node { host: "node".to_owned(), port: 5432 };
        Placement { shard: ShardId(1), hashes: first..=last, node }
    }

    #[test]
    fn shards_cover_every_hash_once() {
        assert!(covers_every_hash(&[shard(i32::MIN, -1), shard(0, i32::MAX)]));
        assert!(covers_every_hash(&[shard(i32::MIN, i32::MAX)]));
        assert!(!covers_every_hash(&[shard(i32::MIN, -1), shard(1, i32::MAX)]), "0 is missing");
        assert!(!covers_every_hash(&[shard(i32::MIN, -1), shard(-1, i32::MAX)]), "-1 is there twice");
        assert!(!covers_every_hash(&[shard(i32::MIN, 0)]));
    }
}
