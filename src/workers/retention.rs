//! Deletes expired data.

use std::time::{Duration, Instant};

use super::in_every_shard;
use crate::domain::idempotency::KEY_LIFETIME;
use crate::domain::webhook::TRIED_FOR;
use crate::domain::{Clock, Timestamp};
use crate::store::USAGE_DAYS;
use crate::store::admin::{AdminError, AdminStore};

const EVERY: Duration = Duration::from_secs(600);
/// How long the feed of sessions can be followed.
pub const FEED_LIFETIME: chrono::Duration = chrono::Duration::hours(24);
/// How long feed entries that an endpoint has not received yet are stored, because the webhook worker may have been
/// down.
pub const UNTOLD_FEED_LIFETIME: chrono::Duration = chrono::Duration::days(3);
/// How late the last attempt of a delivery may be, for an endpoint with a backlog, before the delivery is given up.
pub const DELIVERY_SLACK: chrono::Duration = chrono::Duration::hours(1);
/// How long deliveries of webhooks can be listed and resent.
pub const DELIVERY_LIFETIME: chrono::Duration = chrono::Duration::days(7);
/// Rows per statement. The limit keeps locks short.
const BATCH: u16 = 1_000;

/// Calls a statement that processes one batch until there is nothing left. Returns how many rows it processed.
///
/// Pauses after each batch for as long as that took, so that at least half of the database's time is left for requests.
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
        match delete_expiries(admin).await {
            Ok(deleted) => tracing::debug!(deleted, "retention.session_expiries"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
        match delete_usage(admin, clock.now()).await {
            Ok(deleted) => tracing::debug!(deleted, "retention.usage_days"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
        match delete_deliveries(admin, clock.now()).await {
            Ok(deleted) => tracing::debug!(deleted, "retention.webhook_deliveries"),
            Err(error) => tracing::warn!(%error, "retention.failed"),
        }
    }
}

/// Deletes the idempotency keys whose lifetime is over at `now`. Returns how many there were.
///
/// # Errors
/// When the database cannot be reached. Finished batches are not undone.
pub async fn delete_idempotency_keys(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move {
        in_batches(|limit| shard.delete_idempotency_keys(now - KEY_LIFETIME, limit)).await
    })
    .await
}

/// Deletes the feed entries that can no longer be followed at `now`, and those that endpoints have not received in
/// time. Returns how many there were.
///
/// # Errors
/// When the database cannot be reached. Finished batches are not undone.
pub async fn delete_feed(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move {
        in_batches(|limit| shard.delete_feed(now - FEED_LIFETIME, now - UNTOLD_FEED_LIFETIME, limit)).await
    })
    .await
}

/// Gives up the webhook deliveries whose time is over at `now` and that no replica attempts. Returns how many there
/// were.
///
/// # Errors
/// When the database cannot be reached. Finished batches are not undone.
pub async fn expire_deliveries(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move {
        in_batches(|limit| shard.expire_deliveries(now - TRIED_FOR - DELIVERY_SLACK, now, limit)).await
    })
    .await
}

/// Deletes the times at which sessions have to be looked at, of organizations whose endpoints receive no expiries.
/// Returns how many there were.
///
/// # Errors
/// When the database cannot be reached. Finished batches are not undone.
pub async fn delete_expiries(admin: &AdminStore) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move { in_batches(|limit| shard.delete_expiries(limit)).await }).await
}

/// Deletes the usage of the days whose lifetime is over at `now`. Returns how many rows there were.
///
/// # Errors
/// When the database cannot be reached. Finished batches are not undone.
pub async fn delete_usage(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let first = (now - chrono::Duration::days(USAGE_DAYS)).date_naive();
    in_every_shard(admin, |shard| async move { in_batches(|limit| shard.delete_usage_days(first, limit)).await }).await
}

/// Deletes the finished webhook deliveries whose lifetime is over at `now`. Returns how many there were.
///
/// # Errors
/// When the database cannot be reached. Finished batches are not undone.
pub async fn delete_deliveries(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    in_every_shard(admin, |shard| async move {
        in_batches(|limit| shard.delete_deliveries(now - DELIVERY_LIFETIME, limit)).await
    })
    .await
}
