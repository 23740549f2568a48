//! Totals of captured events: folded, rebuilt, and kept right where events are deleted.

use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::{EventId, OrgId, Timestamp};
use crate::store::captures::fold::BY_KEYS;
use crate::store::captures::{delete, fold, rebuild, shown};
use crate::store::scope::{self, PooledTransaction};

/// What a batch of a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuiltBatch {
    /// Where the next batch begins.
    pub until: Timestamp,
    /// Totals that were wrong.
    pub repaired: u64,
}

/// Where the next batch of sessions begins, and how many of this batch were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettledBatch {
    pub last: Uuid,
    pub changed: u64,
}

impl AdminStore {
    async fn begin_by_keys(&self) -> Result<PooledTransaction, sqlx::Error> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        sqlx::raw_sql(BY_KEYS).execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// Folds at most `limit` rows of totals whose buckets are over at `now`. Returns how many there were.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn fold_captured_totals(&self, now: Timestamp, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = self.begin_by_keys().await?;
        let folded = fold::fold(&mut transaction, now, limit).await?;
        transaction.commit().await?;
        Ok(folded)
    }

    /// Compares the totals of the next days from `from` on with the events, and repairs them. Events can be written at
    /// the same time. Returns `None` when there are neither events nor totals from then on.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn rebuild_captured_totals(
        &self,
        org: OrgId,
        from: Timestamp,
    ) -> Result<Option<RebuiltBatch>, AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let Some(days) = rebuild::next_days(&mut transaction, org, from).await? else { return Ok(None) };
        let repaired = rebuild::add_missing(&mut transaction, org, days).await?
            + rebuild::lower_maxima(&mut transaction, org, days).await?
            + rebuild::settle_sums(&mut transaction, org, days).await?;
        transaction.commit().await?;
        Ok(Some(RebuiltBatch { until: days.until, repaired }))
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
        let mut transaction = scope::begin_system(&self.pool).await?;
        let settled = shown::settle(&mut transaction, org, after, limit).await?;
        transaction.commit().await?;
        Ok(settled.map(|shown::Settled { last, changed }| SettledBatch { last, changed }))
    }

    /// Deletes captured events from what the dashboard lists, searches and counts, at most a few thousand at once.
    /// Returns how many there were. What they said is in their sessions' events, which are deleted with their sessions.
    ///
    /// # Errors
    /// [`AdminError::Store`] when the database cannot be reached.
    pub async fn delete_captured_events(&self, org: OrgId, events: &[EventId]) -> Result<u64, AdminError> {
        let ids: Vec<Uuid> = events.iter().map(|id| id.0).collect();
        let mut transaction = scope::begin_system(&self.pool).await?;
        let deleted = delete::delete(&mut transaction, org, &ids).await?;
        transaction.commit().await?;
        Ok(deleted)
    }
}
