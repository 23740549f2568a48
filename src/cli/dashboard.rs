//! `dashboard rebuild`: rebuilds totals from the events.

use clap::Subcommand;
use serde::Serialize;
use uuid::Uuid;

use super::home::administer;
use super::{Context, Failure, org};
use crate::domain::{OrgId, Timestamp};
use crate::store::admin::AdminStore;
use crate::workers::captures::{fold_totals, index, note_backlog};

/// Conversations per transaction.
const BATCH: i64 = 5_000;

#[derive(Subcommand)]
pub(super) enum Dashboard {
    /// Compare the totals of the dashboard's figures and the search index with the events, and repair them
    ///
    /// Works in batches that are committed one by one, and can run while events are captured. After an interruption,
    /// run it again; --from skips the days that are done.
    Rebuild {
        /// UUID or external id of the organization; all organizations when absent
        #[arg(long)]
        org: Option<String>,
        /// Leave out days before this time, as in 2026-01-31T00:00:00Z
        #[arg(long)]
        from: Option<Timestamp>,
    },
}

/// The result of a rebuild.
#[derive(Default, Serialize)]
struct Rebuilt {
    organizations: usize,
    /// Totals that were wrong.
    repaired_totals: u64,
    /// Rows of totals that were merged.
    folded_totals: u64,
    /// Conversations that were hidden because they have no events, or shown because they have some.
    repaired_conversations: u64,
}

impl Dashboard {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self::Rebuild { org, from } = self;
        administer(context, async |admin| {
            let orgs = match org {
                Some(name) => vec![org::find(admin, &name).await?],
                None => admin.organizations().await?.into_iter().map(|row| OrgId(row.org_id)).collect(),
            };
            let mut rebuilt = Rebuilt { organizations: orgs.len(), ..Rebuilt::default() };
            for org in orgs {
                rebuild(admin, org, from.unwrap_or(Timestamp::UNIX_EPOCH), &mut rebuilt).await?;
            }
            note_backlog(admin).await?;
            index(admin).await?;
            rebuilt.folded_totals = fold_totals(admin, context.clock.now()).await?;
            let sentence = format!(
                "{} totals and {} conversations of {} organizations were wrong and are repaired.",
                rebuilt.repaired_totals, rebuilt.repaired_conversations, rebuilt.organizations
            );
            context.output.line(&sentence, &rebuilt);
            Ok(())
        })
        .await
    }
}

async fn rebuild(admin: &AdminStore, org: OrgId, from: Timestamp, rebuilt: &mut Rebuilt) -> Result<(), Failure> {
    let mut next = from;
    while let Some(batch) = admin.rebuild_captured_totals(org, next).await? {
        rebuilt.repaired_totals += batch.repaired;
        next = batch.until;
        tracing::info!(%org, until = %next, repaired = batch.repaired, "dashboard.rebuilt");
    }
    let mut after = Uuid::nil();
    while let Some(batch) = admin.settle_conversations(org, after, BATCH).await? {
        rebuilt.repaired_conversations += batch.changed;
        after = batch.last;
    }
    Ok(())
}
