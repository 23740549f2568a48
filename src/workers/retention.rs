//! What has had its time is deleted.

use std::time::Duration;

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
    let mut deleted = 0;
    loop {
        let batch = admin.delete_idempotency_keys(now - KEY_LIFETIME, i64::from(BATCH)).await?;
        deleted += batch;
        if batch < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}

/// Deletes what nobody can follow up any longer at `now`, and of what endpoints were not told in time; how many entries
/// there were.
///
/// # Errors
/// When the database cannot be reached. What was deleted before stays deleted.
pub async fn delete_feed(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let mut deleted = 0;
    loop {
        let batch = admin.delete_feed(now - FEED_LIFETIME, now - UNTOLD_FEED_LIFETIME, i64::from(BATCH)).await?;
        deleted += batch;
        if batch < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}

/// Gives up the deliveries of webhooks whose day is over at `now` and that nobody came to attempt; how many there were.
///
/// # Errors
/// When the database cannot be reached. What was given up before stays so.
pub async fn expire_deliveries(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let mut expired = 0;
    loop {
        let batch = admin.expire_deliveries(now - TRIED_FOR - DELIVERY_SLACK, now, i64::from(BATCH)).await?;
        expired += batch;
        if batch < u64::from(BATCH) {
            return Ok(expired);
        }
    }
}

/// Deletes the deliveries of webhooks that are over and whose lifetime is, too, at `now`; how many there were.
///
/// # Errors
/// When the database cannot be reached. What was deleted before stays deleted.
pub async fn delete_deliveries(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let mut deleted = 0;
    loop {
        let batch = admin.delete_deliveries(now - DELIVERY_LIFETIME, i64::from(BATCH)).await?;
        deleted += batch;
        if batch < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}
