//! Deletes the events of deleted sessions, and everything in their rows but ids and times.

use std::time::Duration;

use uuid::Uuid;

use super::in_every_shard;
use crate::domain::{Clock, OrgId, Timestamp};
use crate::store::admin::{AdminError, AdminStore, Erased};

/// How often the worker looks for deleted sessions.
const EVERY: Duration = Duration::from_secs(5);
/// When a deleted session is processed for the last time: after every turn that was in progress has ended, because it
/// may append its reply.
pub const SETTLED_AFTER: chrono::Duration = chrono::Duration::minutes(5);
/// Events per transaction. A session is locked meanwhile.
const BATCH: u16 = 1_000;

pub(super) async fn run(admin: &AdminStore, clock: &Clock) {
    loop {
        tokio::time::sleep(EVERY).await;
        match erase(admin, clock.now()).await {
            Ok(sessions) => tracing::debug!(sessions, "erasure.sessions"),
            Err(error) => tracing::warn!(%error, "erasure.failed"),
        }
    }
}

/// Deletes the data of the sessions that were deleted before `now`. Returns how many sessions are finished.
///
/// # Errors
/// When the database cannot be reached. Finished steps are not undone.
pub async fn erase(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move { erase_in_shard(&shard, now).await }).await
}

async fn erase_in_shard(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    // Organizations take turns, so that none waits for the many sessions of another.
    const FIRST: OrgId = OrgId(Uuid::nil());
    let (mut sessions, mut after) = (0, FIRST);
    loop {
        match admin.erase_step(now, now - SETTLED_AFTER, i64::from(BATCH), after).await? {
            Erased::Nothing if after == FIRST => return Ok(sessions),
            Erased::Nothing => after = FIRST,
            Erased::Events(org) => after = org,
            Erased::Session(org) => (sessions, after) = (sessions + 1, org),
        }
    }
}
