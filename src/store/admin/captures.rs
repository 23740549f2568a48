//! Maintenance of captured events: folds and rebuilds totals, indexes events for search, and deletes events.

use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::{EventId, OrgId, Timestamp};
use crate::store::captures::fold::BY_KEYS;
use crate::store::captures::rebuild::BY_RANGES;
use crate::store::captures::search::{backlog, blocks};
use crate::store::captures::{delete, fold, rebuild, recount, shown};
use crate::store::scope::{self, PooledTransaction};
use crate::store::shards::ShardPool;

/// What a batch of a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuiltBatch {
    /// Where the next batch begins.
    pub until: Timestamp,
    /// Totals that were wrong.
    pub repaired: u64,
}

/// Where the next batch of sessions begins, and how many sessions of this batch were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledBatch {
    pub last: Uuid,
    pub changed: u64,
}

/// Where the next batch of organizations begins, and how many organizations of this batch have events that are not in
/// the search index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedBatch {
    pub last: Uuid,
    pub noted: u64,
}

/// Organizations whose events can be indexed, and where the next batch begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexBatch {
    pub orgs: Vec<OrgId>,
    pub last: OrgId,
}

impl AdminStore {
    /// Begins a transaction with the planner settings in `settings`.
    async fn begin_planned(pool: &ShardPool, settings: &'static str) -> Result<PooledTransaction, sqlx::Error> {
        let mut transaction = scope::begin_system(pool).await?;
        sqlx::raw_sql(settings).execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Folds at most `limit` rows of totals whose buckets are over at `now`. Returns how many rows were folded.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn fold_captured_totals(&self, now: Timestamp, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = Self::begin_planned(&self.here(), BY_KEYS).await?;
        let folded = fold::fold(&mut transaction, now, limit).await?;
        transaction.commit().await?;
        Ok(folded)
    }

    /// Compares the totals of the next days from `from` on with the events, and repairs them. Events may be written at
    /// the same time. Returns `None` when there are no more events or totals.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn rebuild_captured_totals(
        &self,
        org: OrgId,
        from: Timestamp,
    ) -> Result<Option<RebuiltBatch>, AdminError> {
        let mut transaction = Self::begin_planned(&self.pool(org), BY_RANGES).await?;
        let Some(days) = rebuild::next_days(&mut transaction, org, from).await? else { return Ok(None) };
        let repaired = rebuild::add_missing(&mut transaction, org, days).await?
            + rebuild::lower_maxima(&mut transaction, org, days).await?
            + rebuild::settle_sums(&mut transaction, org, days).await?;
        transaction.commit().await?;
        Ok(Some(RebuiltBatch { until: days.until, repaired }))
    }

    /// Lowers maxima of at most `limit` days on which captured events changed. Returns the number of days.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn recount_captured_days(&self, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let days = recount::take(&mut transaction, limit).await?;
        // Commits early because writers note the same days and would wait for the end of a longer transaction.
        transaction.commit().await?;
        for (org, days) in &days {
            let mut transaction = Self::begin_planned(&self.pool(*org), BY_RANGES).await?;
            rebuild::lower_maxima(&mut transaction, *org, *days).await?;
            rebuild::settle_sums(&mut transaction, *org, *days).await?;
            transaction.commit().await?;
        }
        Ok(days.len() as u64)
    }

    /// Looks at the next `limit` organizations after `after` that have unindexed grams, and returns those that have
    /// enough to make a block or to merge rows. Returns `None` after the last one.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn organizations_to_index(&self, after: OrgId, limit: i64) -> Result<Option<IndexBatch>, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let batch = blocks::organizations(&mut transaction, after, limit).await?;
        transaction.commit().await?;
        Ok(batch.map(|blocks::ToIndex { orgs, last }| IndexBatch { orgs, last }))
    }

    /// Makes a block of the search index of an organization if it has enough grams. Returns `true` if there may be
    /// enough for another block.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn index_captured_events(&self, org: OrgId) -> Result<bool, AdminError> {
        let mut transaction = Self::begin_planned(&self.pool(org), BY_KEYS).await?;
        let more = blocks::make(&mut transaction, org).await?;
        transaction.commit().await?;
        Ok(more)
    }

    /// Notes which of the next `limit` organizations after `after` have events that are not in the search index.
    /// Returns `None` after the last one.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn note_unindexed_events(&self, after: Uuid, limit: i64) -> Result<Option<NotedBatch>, AdminError> {
        let mut transaction = Self::begin_planned(&self.here(), BY_KEYS).await?;
        let noted = backlog::note(&mut transaction, after, limit).await?;
        transaction.commit().await?;
        Ok(noted.map(|backlog::Noted { last, noted }| NotedBatch { last, noted: noted.unsigned_abs() }))
    }

    /// Adds a batch of unindexed events of a noted organization to the search index. Returns `false` when no
    /// organization is noted.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn index_backlog(&self) -> Result<bool, AdminError> {
        let mut transaction = Self::begin_planned(&self.here(), BY_KEYS).await?;
        let more = backlog::work_off(&mut transaction).await?;
        transaction.commit().await?;
        Ok(more)
    }

    /// Hides conversations that were implied and have no events, and shows those that have some, of the next `limit`
    /// after `after`. Returns `None` after the last one.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn settle_conversations(
        &self,
        org: OrgId,
        after: Uuid,
        limit: i64,
    ) -> Result<Option<SettledBatch>, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let settled = shown::settle(&mut transaction, org, after, limit).await?;
        transaction.commit().await?;
        Ok(settled.map(|shown::Settled { last, changed }| SettledBatch { last, changed }))
    }

    /// Deletes captured events from what the dashboard lists, searches and counts, at most a few thousand per call.
    /// Returns how many were deleted. Their contents are in the events of their sessions, which are deleted with the
    /// sessions.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn delete_captured_events(&self, org: OrgId, events: &[EventId]) -> Result<u64, AdminError> {
        let ids: Vec<Uuid> = events.iter().map(|id| id.0).collect();
        let mut transaction = Self::begin_planned(&self.pool(org), BY_RANGES).await?;
        let deleted = delete::delete(&mut transaction, org, &ids).await?;
        transaction.commit().await?;
        Ok(deleted)
    }
}
