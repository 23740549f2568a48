//! Checks whether a write would succeed now.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::{Store, StoreError, StoreShard, any_success};

/// How long writes are expected to fail after a failed group commit, unless one succeeds. After that the next caller
/// tries, because while readiness turns writes away, only a write can show that the fault is over.
const FAILURE_COUNTS_FOR: Duration = Duration::from_secs(10);

/// Whether the last group commits succeeded, as their tasks report.
#[derive(Debug, Default)]
pub(super) struct WriteHealth(Mutex<Option<Instant>>);

impl WriteHealth {
    pub fn failed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub fn succeeded(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_good(&self) -> bool {
        let failed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|at| at.elapsed() >= FAILURE_COUNTS_FOR)
    }
}

impl StoreShard {
    /// Returns whether every group task is still running. A task ends only with its store, unless it panicked where
    /// that could not be caught.
    fn has_all_tasks(&self) -> bool {
        let groups = &self.groups;
        groups.create_sessions.is_alive()
            && groups.change_sessions.is_alive()
            && groups.find_sessions.is_alive()
            && groups.capture_events.is_alive()
            && groups.capture_spans.is_alive()
            && groups.idempotency.is_alive()
    }

    async fn check_writes(&self) -> Result<(), StoreError> {
        let is_writable = sqlx::query_scalar!(
            r#"SELECT CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN false
                           ELSE pg_logical_emit_message(true, 'sessionary', '') IS NOT NULL END AS "is_writable!""#
        )
        .fetch_one(self.pools.lookups.reads())
        .await?;
        if is_writable && self.has_all_tasks() && self.health.is_good() { Ok(()) } else { Err(StoreError::ReadOnly) }
    }
}

impl Store {
    /// Commits a small message to the write-ahead log, and checks whether the last group commits succeeded. No table
    /// and no reader receives the message. It needs a transaction id and waits for the disk as every write does, so it
    /// fails on a standby, on a read-only server, and with a full or broken log disk. A fault that appears only when a
    /// table grows, such as a full data disk, makes the group commits fail.
    ///
    /// In a distributed database, it succeeds if it does for one node, because a replica serves the organizations of
    /// the others while one is down.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] when no write can succeed, [`StoreError::Unavailable`] when the database cannot be
    /// reached.
    pub async fn check_writes(&self) -> Result<(), StoreError> {
        let nodes = self.0.shards.of_each_node();
        any_success(nodes.iter().map(|shard| shard.part.check_writes())).await
    }
}
