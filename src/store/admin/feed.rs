//! The feed of sessions, when its time is over.

use super::{AdminError, AdminStore};
use crate::domain::Timestamp;

impl AdminStore {
    /// Deletes at most `most` entries of the feed from `until` or before; how many there were.
    ///
    /// Replicas that do this at once each take others.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn delete_feed(&self, until: Timestamp, most: i64) -> Result<u64, AdminError> {
        let deleted = sqlx::query!(
            "DELETE FROM session_feed f
              USING (SELECT org_id, transaction, place FROM session_feed
                      WHERE at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
              WHERE f.org_id = old.org_id AND f.transaction = old.transaction AND f.place = old.place",
            until,
            most
        )
        .execute(&self.pool)
        .await?;
        Ok(deleted.rows_affected())
    }
}
