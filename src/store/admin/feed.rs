//! Deletes old entries of the feed of sessions.

use super::{AdminError, AdminStore};
use crate::domain::Timestamp;
use crate::store::scope;

impl AdminStore {
    /// Deletes at most `most` entries of the feed from `until` or before. Returns how many were deleted. Entries that
    /// an enabled endpoint of an enabled organization has not received yet are not deleted, unless they are from `last`
    /// or before.
    ///
    /// Concurrent replicas take different entries. A crash may undo a deletion; a later call repeats it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn delete_feed(&self, until: Timestamp, last: Timestamp, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system_unflushed(&self.here()).await?;
        let deleted = sqlx::query!(
            "DELETE FROM session_feed f
              USING (SELECT org_id, transaction, place FROM session_feed f
                      WHERE at <= $1
                        AND (at <= $2 OR NOT EXISTS (
                                SELECT FROM webhooks w
                                  JOIN organizations o USING (org_id)
                                 WHERE w.org_id = f.org_id AND o.disabled_at IS NULL AND w.disabled_at IS NULL
                                   AND (w.feed_transaction, w.feed_place) < (f.transaction, f.place)))
                      LIMIT $3
                        FOR UPDATE SKIP LOCKED) AS old
              WHERE f.org_id = old.org_id AND f.transaction = old.transaction AND f.place = old.place",
            until,
            last,
            limit
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}
