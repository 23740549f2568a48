//! Adds what is counted in memory to the database.

use std::sync::Weak;
use std::time::Duration;

use super::{Inner, key_uses, storage, usage_days};

/// How often what is counted in memory is added to the database.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// How often the last uses of API keys are written, in flushes.
const KEY_USES_EVERY: u32 = 5;

/// Adds what is counted in memory to the database until the store is dropped.
pub(super) async fn regularly(store: Weak<Inner>) {
    for flush in (0..KEY_USES_EVERY).cycle() {
        tokio::time::sleep(FLUSH_EVERY).await;
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = storage::flush(&store).await {
            tracing::warn!(%error, "store.storage_not_counted");
        }
        if let Err(error) = usage_days::flush(&store).await {
            tracing::warn!(%error, "store.usage_not_counted");
        }
        if flush == 0
            && let Err(error) = key_uses::flush(&store).await
        {
            tracing::warn!(%error, "store.key_uses_not_written");
        }
    }
}
