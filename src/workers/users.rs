//! Stores the users of sessions that were created before users were stored.

use std::time::{Duration, Instant};

use super::in_every_shard;
use crate::domain::{Clock, Timestamp};
use crate::store::admin::{AdminError, AdminStore};

/// How often the worker looks whether an organization is due.
const EVERY: Duration = Duration::from_secs(60);
/// Sessions of one transaction, which locks them.
const BATCH: i64 = 500;

pub(super) async fn run(admin: &AdminStore, clock: &Clock) {
    loop {
        match store_users(admin, clock.now()).await {
            Ok(sessions) => tracing::debug!(sessions, "users.stored"),
            Err(error) => tracing::warn!(%error, "users.failed"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Stores the users of all sessions of the organizations that are due at `now`. Returns how many sessions got one.
///
/// Pauses after each step for as long as that took, so that at least half of the database's time is left for requests.
///
/// # Errors
/// When the database cannot be reached. Finished steps are not undone.
pub async fn store_users(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let store = |shard: AdminStore| async move {
        let mut stored = 0;
        loop {
            let began = Instant::now();
            let Some(sessions) = shard.store_users(now, BATCH).await? else { return Ok(stored) };
            stored += sessions;
            tokio::time::sleep(began.elapsed()).await;
        }
    };
    in_every_shard(admin, store).await
}
