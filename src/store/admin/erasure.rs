//! Deletes the data of deleted sessions.

use super::{AdminError, AdminStore};
use crate::domain::{OrgId, Timestamp};
use crate::store::scope;
use crate::store::sessions::{RowKey, delete_aliases};

/// What one step of the erasure did, and the organization of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// No session is due.
    Nothing,
    /// Some events of a session are deleted; the session is due again.
    Events(OrgId),
    /// Only the ids and times of a session are left.
    Session(OrgId),
}

impl AdminStore {
    /// Deletes at most `limit` events of a deleted session that is due, and clears its row. The session belongs to the
    /// next organization after `after` that has one. It is due again if it has more events, and once more at `settled`,
    /// because a reply that was in progress may still be appended until then. A step is one transaction; concurrent
    /// replicas each take another session.
    ///
    /// # Errors
    /// When the database cannot be reached. The step is rolled back then.
    pub async fn erase_step(
        &self,
        now: Timestamp,
        settled: Timestamp,
        limit: i64,
        after: OrgId,
    ) -> Result<Erased, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let due = sqlx::query!(
            "SELECT org_id, dialect, session_id, requested_at FROM session_erasures
              WHERE org_id > $2 AND due_at <= $1 ORDER BY org_id, due_at LIMIT 1 FOR UPDATE SKIP LOCKED",
            now,
            after.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(due) = due else { return Ok(Erased::Nothing) };
        // Appending locks the session's row, so an append either comes before this statement and its events are seen,
        // or after it.
        sqlx::query!(
            "UPDATE sessions SET public_id = '', kind = NULL, user_id = NULL, name = NULL, description = NULL,
                                 metadata = NULL
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3",
            due.org_id,
            due.dialect,
            due.session_id
        )
        .execute(&mut *transaction)
        .await?;
        delete_aliases(&mut transaction, &[RowKey::of(due.org_id, due.dialect, due.session_id)]).await?;
        let events = sqlx::query!(
            "DELETE FROM session_events e
              USING (SELECT number FROM session_events
                      WHERE org_id = $1 AND dialect = $2 AND session_id = $3 ORDER BY number LIMIT $4) AS old
              WHERE e.org_id = $1 AND e.dialect = $2 AND e.session_id = $3 AND e.number = old.number",
            due.org_id,
            due.dialect,
            due.session_id,
            limit
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        let is_settled = due.requested_at <= settled;
        let has_more = i64::try_from(events).is_ok_and(|events| events >= limit);
        if has_more || !is_settled {
            // A session with more events goes to the end of those that are due now.
            let due_at = if has_more { now } else { now + (due.requested_at - settled) };
            sqlx::query!(
                "UPDATE session_erasures SET due_at = $4 WHERE org_id = $1 AND dialect = $2 AND session_id = $3",
                due.org_id,
                due.dialect,
                due.session_id,
                due_at
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            return Ok(Erased::Events(OrgId(due.org_id)));
        }
        sqlx::query!(
            "WITH counter AS (
                 DELETE FROM session_counters WHERE org_id = $1 AND dialect = $2 AND session_id = $3
             )
             DELETE FROM session_erasures WHERE org_id = $1 AND dialect = $2 AND session_id = $3",
            due.org_id,
            due.dialect,
            due.session_id
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Erased::Session(OrgId(due.org_id)))
    }
}
