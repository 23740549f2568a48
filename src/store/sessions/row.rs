//! A session's row, read by its key.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::RowKey;
use crate::domain::{AgentId, DialectName, JsonText, Session, SessionId, Timestamp};
use crate::store::StoreError;
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page, Weighed, json_bytes, optional_json_bytes};

/// A row of `sessions`.
#[derive(Clone, Debug)]
pub struct SessionRow {
    pub org_id: Uuid,
    pub dialect: i16,
    pub session_id: Uuid,
    pub agent_id: Option<Uuid>,
    pub public_id: String,
    pub nonce: Uuid,
    pub ended_at: Option<Timestamp>,
    pub enabled: bool,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
    pub detail: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub expiry_reported_at: Option<Timestamp>,
    /// The JSON of an [`OpenTurn`](crate::domain::OpenTurn).
    pub turn: Option<String>,
    /// The nonce of the latest change.
    pub last_change: Option<Uuid>,
}

impl Weighed for SessionRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.kind, &self.user_id, &self.name, &self.description];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.public_id) + self.metadata.as_ref().map_or(0, String::len) + self.detail.len()
    }
}

/// The statement that reads rows by their keys.
macro_rules! rows_under {
    ($keys:expr, $how:literal) => {{
        let columns = RowKey::columns($keys);
        sqlx::query_as!(
            SessionRow,
            r#"SELECT s.org_id AS "org_id!", s.dialect AS "dialect!", s.session_id AS "session_id!", s.agent_id,
                      s.public_id AS "public_id!", s.nonce AS "nonce!", s.ended_at, s.enabled AS "enabled!", s.kind,
                      s.user_id, s.name, s.description, s.metadata::text, s.detail::text AS "detail!",
                      s.created_at AS "created_at!", s.updated_at AS "updated_at!", s.expires_at, s.expiry_reported_at,
                      s.turn::text, s.last_change
                 FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)
                 JOIN sessions s USING (org_id, dialect, session_id)"#
                + $how,
            &columns.orgs,
            &columns.dialects,
            &columns.ids
        )
    }};
}

impl SessionRow {
    pub(super) fn key(&self) -> RowKey {
        RowKey::of(self.org_id, self.dialect, self.session_id)
    }

    /// Reads the rows with these keys. Rows that do not exist, or that the scope hides, are missing.
    pub(in crate::store) async fn read(
        connection: &mut PgConnection,
        keys: &[RowKey],
    ) -> Result<HashMap<RowKey, Self>, sqlx::Error> {
        let rows = rows_under!(keys, "").fetch_all(connection).await?;
        Ok(rows.into_iter().map(|row| (row.key(), row)).collect())
    }

    /// Reads the rows with these keys in their order, at most [`MAX_PAGE_BYTES`]. Rows that do not exist are left out.
    ///
    /// After a page that was cut, the connection has unread rows, so the transaction can only be dropped.
    pub(in crate::store) async fn page(
        connection: &mut PgConnection,
        keys: &[RowKey],
    ) -> Result<Page<Self>, sqlx::Error> {
        let columns = RowKey::columns(keys);
        // Sorted in the subquery, before texts are unpacked.
        let rows = sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id AS "org_id!", dialect AS "dialect!", session_id AS "session_id!", agent_id,
                      public_id AS "public_id!", nonce AS "nonce!", ended_at, enabled AS "enabled!", kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at AS "created_at!",
                      updated_at AS "updated_at!", expires_at, expiry_reported_at, turn::text, last_change
                 FROM (SELECT s.*
                         FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) WITH ORDINALITY
                           AS wanted (org_id, dialect, session_id, place)
                         JOIN sessions s USING (org_id, dialect, session_id)
                        ORDER BY wanted.place
                       OFFSET 0) found"#,
            &columns.orgs,
            &columns.dialects,
            &columns.ids
        );
        bytes::page(rows.fetch(connection), MAX_PAGE_BYTES).await
    }

    /// Reads the rows with these keys and locks them until the transaction ends, in the order of the keys.
    pub(super) async fn lock(
        connection: &mut PgConnection,
        keys: &[RowKey],
    ) -> Result<HashMap<RowKey, Self>, sqlx::Error> {
        let locked = rows_under!(keys, " ORDER BY s.org_id, s.dialect, s.session_id FOR UPDATE OF s");
        Ok(locked.fetch_all(connection).await?.into_iter().map(|row| (row.key(), row)).collect())
    }
}

impl Weighed for Session {
    fn text_bytes(&self) -> usize {
        let texts = [&self.kind, &self.user_id, &self.name, &self.description];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        texts + json_bytes(&self.public_id) + metadata + self.detail.as_str().len()
    }
}

impl TryFrom<SessionRow> for Session {
    type Error = StoreError;

    fn try_from(row: SessionRow) -> Result<Self, Self::Error> {
        Ok(Self {
            dialect: DialectName::from_code(row.dialect)
                .ok_or_else(|| StoreError::Unreadable(format!("dialect {}", row.dialect)))?,
            id: SessionId(row.session_id),
            agent: row.agent_id.map(AgentId),
            public_id: row.public_id,
            enabled: row.enabled,
            kind: row.kind,
            user_id: row.user_id,
            name: row.name,
            description: row.description,
            metadata: row.metadata.map(JsonText::stored).transpose()?,
            detail: JsonText::stored(row.detail)?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            expiry_reported_at: row.expiry_reported_at,
            is_erased: false,
            // A turn that a later version wrote in another format is ignored.
            turn: row.turn.and_then(|turn| serde_json::from_str(&turn).ok()),
            nonce: row.nonce,
        })
    }
}
