//! Erases users, sessions and organizations on request, and sessions whose retention is over.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::in_every_shard;
use crate::domain::{Clock, OrgId, Timestamp};
use crate::store::admin::{AdminError, AdminStore, ErasureProgress};
use crate::telemetry;

/// How often the worker looks for requests.
const EVERY: Duration = Duration::from_secs(5);
const FIRST: OrgId = OrgId(Uuid::nil());

pub(super) async fn run(admin: &AdminStore, clock: &Clock) {
    loop {
        tokio::time::sleep(EVERY).await;
        match start_retention(admin, clock.now()).await {
            Ok(rules) => tracing::debug!(rules, "retention.rules"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
        match carry_out(admin, clock.now()).await {
            Ok(erasures) => tracing::debug!(erasures, "erasure.requests"),
            Err(error) => tracing::warn!(%error, "erasure.failed"),
        }
    }
}

/// Starts the erasure of old sessions for every rule that is due at `now`. Returns how many rules there were.
///
/// # Errors
/// When the database cannot be reached. What was started runs.
pub async fn start_retention(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let start = |shard: AdminStore| async move {
        let mut rules = 0;
        while shard.start_retention(now).await? {
            rules += 1;
        }
        Ok(rules)
    };
    in_every_shard(admin, start).await
}

/// Carries out all steps that are due at `now`. Organizations take turns, so that none waits for the large erasure of
/// another. Returns how many erasures are done.
///
/// Pauses after each step for as long as that took, so that at least half of the database's time is left for requests.
///
/// # Errors
/// When the database cannot be reached. Finished steps are not undone.
pub async fn carry_out(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move { carry_out_in_shard(&shard, now).await }).await
}

async fn carry_out_in_shard(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let (mut done, mut after) = (0, FIRST);
    loop {
        let began = Instant::now();
        match admin.erasure_step(now, after).await? {
            None if after == FIRST => return Ok(done),
            None => after = FIRST,
            Some(ErasureProgress { org, scope, deleted, is_done }) => {
                for (table, rows) in deleted {
                    telemetry::rows_erased(scope.as_str(), table, rows);
                }
                done += u64::from(is_done);
                after = org;
                tokio::time::sleep(began.elapsed()).await;
            }
        }
    }
}
