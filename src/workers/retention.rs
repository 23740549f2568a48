//! What has had its time is deleted.

use std::time::{Duration, Instant};

use crate::domain::idempotency::KEY_LIFETIME;
use crate::domain::webhook::TRIED_FOR;
use crate::domain::{Clock, Timestamp};
use crate::store::admin::{AdminError, AdminStore};

const EVERY: Duration = Duration::from_secs(600);
/// How long what happened to sessions can be followed up.
pub const FEED_LIFETIME: chrono::Duration = chrono::Duration::hours(24);
/// How long what an endpoint has still to be told of is kept beyond that: the worker for webhooks may have been down.
pub const UNTOLD_FEED_LIFETIME: chrono::Duration = chrono::Duration::days(3);
/// How long the last attempt of a delivery may be late, for an endpoint that is behind, before there is none.
pub const DELIVERY_SLACK: chrono::Duration = chrono::Duration::hours(1);
/// How long deliveries of webhooks can be looked at, and resent.
pub const DELIVERY_LIFETIME: chrono::Duration = chrono::Duration::days(7);
/// Rows per statement, so that none holds its locks for long.
const BATCH: u16 = 1_000;

/// Calls a statement that works on one batch until there is nothing left for it. Returns how many rows it worked on.
///
/// Pauses after each batch for as long as that took, so that however much there is to delete, at least half of the
/// database's time stays with requests.
async fn in_batches<F>(batch: impl Fn(i64) -> F) -> Result<u64, AdminError>
where
    F: Future<Output = Result<u64, AdminError>>,
{
    let mut total = 0;
    loop {
        let began = Instant::now();
        let rows = batch(i64::from(BATCH)).await?;
        total += rows;
        if rows < u64::from(BATCH) {
            return Ok(total);
        }
        tokio::time::sleep(began.elapsed()).await;
    }
}

pub(super) async fn run(admin: &AdminStore, clock: &Clock) {
    loop {
        tokio::time::sleep(EVERY).await;
        match delete_idempotency_keys(admin, clock.now()).await {
            Ok(deleted) => tracing::debug!(deleted, "retention.idempotency_keys"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
        match delete_feed(admin, clock.now()).await {
            Ok(deleted) => tracing::debug!(deleted, "retention.session_feed"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
        match expire_deliveries(admin, clock.now()).await {
            Ok(expired) => tracing::debug!(expired, "retention.webhooks_expired"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
        match delete_deliveries(admin, clock.now()).await {
            Ok(deleted) => tracing::debug!(deleted, "retention.webhook_deliveries"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
    }
}

/// Deletes the idempotency keys whose lifetime is over at `now`; how many there were.
///
/// # Errors
/// When the database cannot be reached. What was deleted before stays deleted.
pub async fn delete_idempotency_keys(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_batches(|most| admin.delete_idempotency_keys(now - KEY_LIFETIME, most)).await
}

/// Deletes what nobody can follow up any longer at `now`, and of what endpoints were not told in time; how many entries
/// there were.
///
/// # Errors
/// When the database cannot be reached. What was deleted before stays deleted.
pub async fn delete_feed(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_batches(|most| admin.delete_feed(now - FEED_LIFETIME, now - UNTOLD_FEED_LIFETIME, most)).await
}

/// Gives up the deliveries of webhooks whose day is over at `now` and that nobody came to attempt; how many there were.
///
/// # Errors
/// When the database cannot be reached. What was given up before stays so.
pub async fn expire_deliveries(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_batches(|most| admin.expire_deliveries(now - TRIED_FOR - DELIVERY_SLACK, now, most)).await
}

/// Deletes the deliveries of webhooks that are over and whose lifetime is, too, at `now`; how many there were.
///
/// # Errors
/// When the database cannot be reached. What was deleted before stays deleted.
pub async fn delete_deliveries(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_batches(|most| admin.delete_deliveries(now - DELIVERY_LIFETIME, most)).await
}
