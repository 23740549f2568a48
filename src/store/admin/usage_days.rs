use chrono::NaiveDate;

use super::{AdminError, AdminStore};
use crate::store::scope;

impl AdminStore {
    /// Deletes at most `limit` rows of the usage of days before `first`. Returns how many there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn delete_usage_days(&self, first: NaiveDate, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let deleted = sqlx::query!(
            "DELETE FROM usage_days t
              USING (SELECT u.* FROM organizations o
                       JOIN LATERAL (SELECT org_id, day, dialect, agent_id, key_id FROM usage_days
                                      WHERE org_id = o.org_id AND day < $1 LIMIT $2) u ON true
                      LIMIT $2) AS old
              WHERE t.org_id = old.org_id AND t.day = old.day AND t.dialect = old.dialect
                AND t.agent_id = old.agent_id AND t.key_id = old.key_id",
            first,
            limit
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}
