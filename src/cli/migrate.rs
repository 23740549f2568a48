//! `migrate` and `rebalance`.

use clap::Args;
use serde::Serialize;

use super::home::Home;
use super::{Context, Failure};
use crate::store;

#[derive(Args)]
pub(super) struct Migrate {
    /// Distribute the database by organization over the nodes of Citus, and whatever newer releases have added
    #[arg(long)]
    distributed: bool,
    /// The number of shards of a database that is distributed now [default: 4 for each node, at least 8]
    #[arg(long, requires = "distributed", value_parser = clap::value_parser!(u16).range(1..))]
    shards: Option<u16>,
}

#[derive(Serialize)]
struct MigrateReport {
    applied: Vec<i64>,
    schema: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    distributed: Option<DistributedReport>,
}

#[derive(Serialize)]
struct DistributedReport {
    tables: Vec<String>,
    nodes: usize,
}

impl Migrate {
    pub async fn run(&self, context: &Context) -> Result<(), Failure> {
        let home = Home::open(context).await?;
        if self.distributed && home.is_private() {
            home.close().await?;
            return Err("a private Postgres has no nodes; DATABASE_URL names the coordinator of Citus".into());
        }
        let migrated = if self.distributed {
            home.migrate_distributed(self.shards.map(usize::from)).await
        } else {
            home.migrate().await
        };
        home.close().await?;
        let migrated = migrated?;
        let applied = migrated.applied;
        let mut sentence = match applied.len() {
            0 => "The database was up to date already.".to_owned(),
            count => {
                let versions: Vec<String> = applied.iter().map(|version| format!("{version:04}")).collect();
                format!("Applied {count} migrations: {}.", versions.join(", "))
            }
        };
        let distributed = migrated.distributed.map(|done| DistributedReport { tables: done.tables, nodes: done.nodes });
        if let Some(DistributedReport { tables, nodes }) = &distributed {
            sentence += &format!(" Distributed {} tables over {nodes} nodes.", tables.len());
        }
        context.output.line(&sentence, &MigrateReport { applied, schema: store::newest_migration(), distributed });
        Ok(())
    }
}

#[derive(Serialize)]
struct RebalanceReport {
    moved: usize,
}

/// Moves shards until every node has its share.
pub(super) async fn rebalance(context: &Context) -> Result<(), Failure> {
    let home = Home::open(context).await?;
    let rebalanced = store::rebalance(&home.database).await;
    home.close().await?;
    let moved = rebalanced?.moved;
    context.output.line(&format!("Moved {moved} shards."), &RebalanceReport { moved });
    Ok(())
}
