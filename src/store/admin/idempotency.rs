//! Deletes expired idempotency keys.

use super::{AdminError, AdminStore};
use crate::domain::Timestamp;
use crate::store::scope;

impl AdminStore {
    /// Deletes at most `most` keys whose first request arrived at `until` or before. Returns how many were deleted.
    ///
    /// Concurrent replicas take different keys. A crash may undo a deletion; a later call repeats it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn delete_idempotency_keys(&self, until: Timestamp, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system_unflushed(&self.here()).await?;
        let deleted = sqlx::query!(
            "DELETE FROM idempotency_keys k
              USING (SELECT org_id, dialect, target, key FROM idempotency_keys
                      WHERE arrived_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
              WHERE k.org_id = old.org_id AND k.dialect = old.dialect AND k.target = old.target AND k.key = old.key",
            until,
            limit
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}
