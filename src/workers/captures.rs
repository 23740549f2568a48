//! Totals of captured events are folded once their hours and days are over.

use std::time::Duration;

use crate::domain::{Clock, Timestamp};
use crate::store::admin::{AdminError, AdminStore};

const EVERY: Duration = Duration::from_secs(60);
/// Rows per transaction, so that none holds its locks for long.
const BATCH: u16 = 2_000;

pub(super) async fn run(admin: &AdminStore, clock: &Clock) {
    loop {
        match fold_totals(admin, clock.now()).await {
            Ok(folded) => tracing::debug!(folded, "captures.totals_folded"),
            Err(error) => tracing::warn!(%error, "captures.failed"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Folds all totals whose buckets are over at `now`. Returns how many rows there were.
///
/// # Errors
/// [`AdminError::Store`] when the database cannot be reached. What was folded before stays so.
pub async fn fold_totals(admin: &AdminStore, now: Timestamp) -> Result<u64, AdminError> {
    let mut folded = 0;
    loop {
        let batch = admin.fold_captured_totals(now, i64::from(BATCH)).await?;
        folded += batch;
        if batch < u64::from(BATCH) {
            return Ok(folded);
        }
    }
}
