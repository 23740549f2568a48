//! One conversation, and one event.

use uuid::Uuid;

use super::{CapturedRow, Captures, DIALECT};
use crate::domain::{EventId, SessionId, Timestamp};
use crate::store::bytes::{self, Page, PageLimit, Weighed, json_bytes, optional_json_bytes};
use crate::store::{StoreError, scope};

/// An event without its payload.
#[derive(Clone, Debug)]
pub struct SpanRow {
    pub event_id: Uuid,
    pub public_id: Option<String>,
    pub parent_id: Option<Uuid>,
    pub number: i64,
    pub kind: String,
    pub name: Option<String>,
    pub success: bool,
    pub latency_ms: i64,
    pub at: Timestamp,
}

impl Weighed for SpanRow {
    fn text_bytes(&self) -> usize {
        let texts = optional_json_bytes(self.public_id.as_deref()) + optional_json_bytes(self.name.as_deref());
        texts + json_bytes(&self.kind)
    }
}

impl Captures<'_> {
    /// Returns the first events of a conversation after number `after`, in the order in which they were stored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn events_of(
        &self,
        session: SessionId,
        after: i64,
        limit: PageLimit,
    ) -> Result<Page<CapturedRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            CapturedRow,
            r#"SELECT e.event_id, e.public_id, e.parent_id, e.number, e.kind, e.author_id AS name, c.success,
                      c.latency_ms, c.at, e.payload::text AS "payload!", e.session_id,
                      s.public_id AS session_public_id, s.user_id, s.kind AS connection_type,
                      s.detail->>'client_config' AS client_config
                 FROM session_events e
                 JOIN captured_events c ON c.org_id = e.org_id AND c.event_id = e.event_id
                 JOIN sessions s ON s.org_id = e.org_id AND s.dialect = e.dialect AND s.session_id = e.session_id
                WHERE e.org_id = $1 AND e.dialect = $2 AND e.session_id = $3 AND e.number > $4
                ORDER BY e.number LIMIT $5"#,
            self.0.org.0,
            DIALECT.code(),
            session.0,
            after,
            limit.rows
        );
        let page = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(page)
    }

    /// Returns the first events of a conversation after number `after`, without their payloads.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn spans_of(
        &self,
        session: SessionId,
        after: i64,
        limit: PageLimit,
    ) -> Result<Page<SpanRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            SpanRow,
            "SELECT e.event_id, e.public_id, e.parent_id, e.number, e.kind, e.author_id AS name, c.success,
                    c.latency_ms, c.at
               FROM session_events e
               JOIN captured_events c ON c.org_id = e.org_id AND c.event_id = e.event_id
              WHERE e.org_id = $1 AND e.dialect = $2 AND e.session_id = $3 AND e.number > $4
              ORDER BY e.number LIMIT $5",
            self.0.org.0,
            DIALECT.code(),
            session.0,
            after,
            limit.rows
        );
        let page = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(page)
    }

    /// Returns the event with this id, in any conversation.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn event(&self, id: EventId) -> Result<Option<CapturedRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = sqlx::query_as!(
            CapturedRow,
            r#"SELECT e.event_id, e.public_id, e.parent_id, e.number, e.kind, e.author_id AS name, c.success,
                      c.latency_ms, c.at, e.payload::text AS "payload!", e.session_id,
                      s.public_id AS session_public_id, s.user_id, s.kind AS connection_type,
                      s.detail->>'client_config' AS client_config
                 FROM captured_events c
                 JOIN session_events e ON e.org_id = c.org_id AND e.dialect = $2 AND e.session_id = c.session_id
                                      AND e.event_id = c.event_id
                 JOIN sessions s ON s.org_id = e.org_id AND s.dialect = e.dialect AND s.session_id = e.session_id
                WHERE c.org_id = $1 AND c.event_id = $3"#,
            self.0.org.0,
            DIALECT.code(),
            id.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row)
    }
}
