//! Traces that turn out to belong to a conversation.
//!
//! A span that names no conversation is kept under its trace until another span of the trace, which may come in a later
//! export, names one.

use uuid::Uuid;

use super::{Captures, DIALECT};
use crate::domain::SessionId;
use crate::store::{StoreError, scope};

impl Captures<'_> {
    /// Those of the sessions that have events.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn with_events(&self, sessions: &[SessionId]) -> Result<Vec<SessionId>, StoreError> {
        let ids: Vec<Uuid> = sessions.iter().map(|id| id.0).collect();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let found = sqlx::query_scalar!(
            "SELECT session_id FROM session_counters
              WHERE org_id = $1 AND dialect = $2 AND session_id = ANY ($3) AND last_number > 0",
            self.0.org.0,
            DIALECT.code(),
            &ids
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(found.into_iter().map(SessionId).collect())
    }

    /// Moves the events of one session behind those of another, in their order, under the locks of both counters.
    /// The emptied session stays, so that a writer who is on the way to it finds it, and is not shown unless it was
    /// captured itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn join(&self, from: SessionId, to: SessionId) -> Result<(), StoreError> {
        let (org, dialect) = (self.0.org.0, DIALECT.code());
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // Writers lock sessions before counters, too.
        sqlx::query!(
            "UPDATE sessions SET enabled = false
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND detail->>'implied' = 'true'",
            org,
            dialect,
            from.0
        )
        .execute(&mut *transaction)
        .await?;
        let counters = sqlx::query!(
            "SELECT session_id, last_number, last_at FROM session_counters
              WHERE org_id = $1 AND dialect = $2 AND session_id IN ($3, $4)
              ORDER BY session_id FOR UPDATE",
            org,
            dialect,
            from.0,
            to.0
        )
        .fetch_all(&mut *transaction)
        .await?;
        let last = counters.iter().find(|counter| counter.session_id == to.0);
        let Some(last_number) = last.map(|counter| counter.last_number).filter(|_| from != to) else { return Ok(()) };
        let last_at = counters.iter().map(|counter| counter.last_at).max();
        let moved = sqlx::query_scalar!(
            "WITH moving AS (
                 SELECT number, row_number() OVER (ORDER BY number) AS place FROM session_events
                  WHERE org_id = $1 AND dialect = $2 AND session_id = $3
             )
             UPDATE session_events e
                SET session_id = $4, number = $5 + m.place, created_at = $6::timestamptz + m.place * interval '1 millisecond'
               FROM moving m
              WHERE e.org_id = $1 AND e.dialect = $2 AND e.session_id = $3 AND e.number = m.number
             RETURNING e.event_id",
            org,
            dialect,
            from.0,
            to.0,
            last_number,
            last_at
        )
        .fetch_all(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE captured_events SET session_id = $2 WHERE org_id = $1 AND event_id = ANY ($3)",
            org,
            to.0,
            &moved
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE session_counters
                SET last_number = CASE WHEN session_id = $3 THEN 0 ELSE last_number + $5::bigint END,
                    last_at = $6::timestamptz + $5 * interval '1 millisecond'
              WHERE org_id = $1 AND dialect = $2 AND session_id IN ($3, $4)",
            org,
            dialect,
            from.0,
            to.0,
            moved.len() as i64,
            last_at
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
