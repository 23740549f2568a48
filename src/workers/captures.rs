//! Folds totals of captured events when their hours and days are over, and updates the search index.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::in_every_shard;
use crate::domain::{Clock, OrgId, Timestamp};
use crate::store::admin::{AdminError, AdminStore};

/// How often totals are folded.
const EVERY: Duration = Duration::from_secs(60);
/// How often the index is updated. A search reads events that are in no block one by one.
const INDEX_EVERY: Duration = Duration::from_secs(5);
/// How often the events of all organizations are counted, in case an older binary wrote some.
const NOTE_EVERY: Duration = Duration::from_secs(3_600);
/// Batches of events that are added to the index before blocks are made of them.
const BACKLOG_BATCHES: u32 = 16;
/// Days whose maxima are lowered in one step.
const RECOUNTED_DAYS: u8 = 16;
/// Rows per transaction. The limit keeps locks short.
const BATCH: u16 = 2_000;
/// Organizations per transaction.
const NOTED_BATCH: i64 = 100;
/// Organizations whose unindexed events are looked at in one transaction, and such transactions before the worker pauses.
const INDEXED_BATCH: i64 = 100;
const INDEXED_BATCHES: u32 = 10;

pub(super) async fn run(admin: &AdminStore, clock: &Clock) {
    let mut folded_at: Option<Instant> = None;
    let mut noted_at: Option<Instant> = None;
    let mut indexed_to = OrgId(Uuid::nil());
    let is_due = |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
    loop {
        if is_due(folded_at, EVERY) {
            folded_at = Some(Instant::now());
            match fold_totals(admin, clock.now()).await {
                Ok(folded) => tracing::debug!(folded, "captures.totals_folded"),
                Err(error) => tracing::warn!(%error, "captures.failed"),
            }
            if let Err(error) = recount(admin).await {
                tracing::warn!(%error, "captures.failed");
            }
        }
        if is_due(noted_at, NOTE_EVERY) {
            noted_at = Some(Instant::now());
            match note_backlog(admin).await {
                Ok(organizations) => tracing::debug!(organizations, "captures.unindexed_noted"),
                Err(error) => tracing::warn!(%error, "captures.failed"),
            }
        }
        match index_some(admin, indexed_to).await {
            Ok(last) => indexed_to = last,
            Err(error) => tracing::warn!(%error, "captures.failed"),
        }
        tokio::time::sleep(INDEX_EVERY).await;
    }
}

/// Folds all totals whose buckets are over at `now`. Returns how many rows there were.
///
/// # Errors
/// [`AdminError::Store`] when the database cannot be reached. Finished batches are not undone.
pub async fn fold_totals(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let fold = |shard: AdminStore| async move {
        let mut folded = 0;
        loop {
            let batch = shard.fold_captured_totals(now, i64::from(BATCH)).await?;
            folded += batch;
            if batch < u64::from(BATCH) {
                return Ok(folded);
            }
        }
    };
    in_every_shard(admin, fold).await
}

/// Lowers maxima of days on which captured events changed.
///
/// # Errors
/// [`AdminError::Store`] when the database cannot be reached. Finished batches are not undone.
pub async fn recount(admin: &AdminStore) -> Result<(), AdminError> {
    let recount = |shard: AdminStore| async move {
        while shard.recount_captured_days(i64::from(RECOUNTED_DAYS)).await? == u64::from(RECOUNTED_DAYS) {}
        Ok(0)
    };
    in_every_shard(admin, recount).await?;
    Ok(())
}

/// Notes the organizations that have events which are not in the search index. Returns how many are new.
///
/// # Errors
/// [`AdminError::Store`] when the database cannot be reached. Finished batches are not undone.
pub async fn note_backlog(admin: &AdminStore) -> Result<u64, AdminError> {
    let note = |shard: AdminStore| async move {
        let (mut noted, mut after) = (0, Uuid::nil());
        while let Some(batch) = shard.note_unindexed_events(after, NOTED_BATCH).await? {
            noted += batch.noted;
            after = batch.last;
        }
        Ok(noted)
    };
    in_every_shard(admin, note).await
}

/// Updates the search index: makes blocks if there are enough events, and adds missing events.
///
/// # Errors
/// [`AdminError::Store`] when the database cannot be reached. Finished batches are not undone.
pub async fn index(admin: &AdminStore) -> Result<(), AdminError> {
    let index = |shard: AdminStore| async move {
        let mut after = OrgId(Uuid::nil());
        loop {
            after = index_some(&shard, after).await?;
            if after.0.is_nil() {
                return Ok(0);
            }
        }
    };
    in_every_shard(admin, index).await?;
    Ok(())
}

/// Updates the search index of at most 1,000 organizations after `after`, and adds all missing events. Returns where to
/// continue.
async fn index_some(admin: &AdminStore, mut after: OrgId) -> Result<OrgId, AdminError> {
    let mut has_backlog = true;
    while has_backlog {
        // Blocks are made during a long backlog, because pending rows would accumulate.
        let mut batches = 0;
        while batches < BACKLOG_BATCHES && has_backlog {
            has_backlog = admin.index_backlog().await?;
            batches += 1;
        }
        for _ in 0..INDEXED_BATCHES {
            let batch = admin.organizations_to_index(after, INDEXED_BATCH).await?;
            let Some(batch) = batch else {
                after = OrgId(Uuid::nil());
                break;
            };
            for org in batch.orgs {
                while admin.index_captured_events(org).await? {}
            }
            after = batch.last;
        }
    }
    Ok(after)
}
