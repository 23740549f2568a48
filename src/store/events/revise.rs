//! Hides and deletes events. The numbers of the other events do not change.

use uuid::Uuid;

use super::Events;
use crate::domain::EventId;
use crate::domain::event::EventVisibility;
use crate::store::{StoreError, scope};

impl Events<'_> {
    /// Hides these events, or shows them again. Returns how many of them there are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn set_visibility(&self, ids: &[EventId], visibility: EventVisibility) -> Result<u64, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let found = sqlx::query!(
            "UPDATE session_events SET hidden = $5
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND event_id = ANY($4::uuid[])",
            self.key.org.0,
            self.key.dialect,
            self.key.id.0,
            &ids,
            visibility == EventVisibility::Hidden
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(found)
    }

    /// Deletes an event. Returns `true` if it existed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete(&self, id: EventId) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.store.pool(), self.key.org).await?;
        let found = sqlx::query!(
            "DELETE FROM session_events
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND event_id = $4",
            self.key.org.0,
            self.key.dialect,
            self.key.id.0,
            id.0
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(found > 0)
    }
}
