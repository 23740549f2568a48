//! Sessions of one agent by keyset, newest first, and the filter by metadata.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{RowKey, SessionCursor, SessionRow};
use crate::domain::metadata_filter::Filter;
use crate::domain::{AgentId, DialectName, Session, SessionId, Timestamp};
use crate::store::bytes::Page;
use crate::store::error::is_too_long;
use crate::store::sessions::filter_sql;
use crate::store::{Sessions, StoreError, keyset, scope};

/// Characters of a name or a description that a scan reads.
pub const HEADING_CHARS: i32 = 1_000;

/// Limit of the documents that one index search can look for.
pub const MAX_REQUIRED: usize = 3;
/// Time limit of a search by metadata with the index. If many sessions match, a scan of the newest ones finds them
/// sooner.
pub const INDEX_TIMEOUT: Duration = scope::BRIEF_TIMEOUT;

/// The fields of a session that a scan reads.
#[derive(Clone, Debug)]
pub struct Heading {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// Whether it has neither ended nor expired.
    pub is_open: bool,
    /// Its first [`HEADING_CHARS`] characters.
    pub name: Option<String>,
    /// Its first [`HEADING_CHARS`] characters.
    pub description: Option<String>,
}

struct HeadingRow {
    session_id: Uuid,
    created_at: Timestamp,
    name: Option<String>,
    description: Option<String>,
    is_open: bool,
}

impl From<HeadingRow> for Heading {
    fn from(row: HeadingRow) -> Self {
        Self {
            id: SessionId(row.session_id),
            created_at: row.created_at,
            is_open: row.is_open,
            name: row.name,
            description: row.description,
        }
    }
}

impl Sessions<'_> {
    /// Returns the newest `limit` sessions of an agent in the `agent_key` dialect after `after`, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn headings(
        &self,
        agent: AgentId,
        now: Timestamp,
        after: Option<SessionCursor>,
        limit: i64,
    ) -> Result<Vec<Heading>, StoreError> {
        let (at, id) = keyset::or_latest(after.map(|(at, id)| (at, id.0)));
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // The dialect is a literal, so that the index of this dialect's sessions can be used. Ended sessions are read
        // as well, because the statement would otherwise read on until it finds enough others.
        let rows = sqlx::query_as!(
            HeadingRow,
            r#"SELECT session_id AS "session_id!", created_at AS "created_at!", left(name, $7) AS name,
                      left(description, $7) AS description,
                      ended_at IS NULL AND (expires_at IS NULL OR expires_at > $3) AS "is_open!"
                 FROM sessions
                WHERE org_id = $1 AND dialect = 3 AND agent_id = $2 AND (created_at, session_id) < ($4, $5)
                ORDER BY created_at DESC, session_id DESC
                LIMIT $6"#,
            self.0.org.0,
            agent.0,
            now,
            at,
            id,
            limit,
            HEADING_CHARS
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().map(Heading::from).collect())
    }

    /// Returns the same fields of the sessions whose metadata contains all of `documents`. There must be at least one
    /// document, and only the first [`MAX_REQUIRED`] are used. Returns `None` if there are too many matches to be
    /// sorted within [`INDEX_TIMEOUT`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn headings_with_metadata(
        &self,
        agent: AgentId,
        documents: &[String],
        now: Timestamp,
        after: Option<SessionCursor>,
        limit: i64,
    ) -> Result<Option<Vec<Heading>>, StoreError> {
        let (at, id) = keyset::or_latest(after.map(|(at, id)| (at, id.0)));
        let mut transaction = scope::begin_brief(self.0.scans(), self.0.org).await?;
        let rows = sqlx::query_as!(
            HeadingRow,
            r#"SELECT session_id AS "session_id!", created_at AS "created_at!", name, description, is_open AS "is_open!"
                 FROM find_sessions_by_metadata($1, $2, $3::text[]::jsonb[], $4, $5, $6, $7)"#,
            self.0.org.0,
            agent.0,
            documents,
            now,
            at,
            id,
            limit
        )
        .fetch_all(&mut *transaction)
        .await;
        match rows {
            Ok(rows) => {
                transaction.commit().await?;
                Ok(Some(rows.into_iter().map(Heading::from).collect()))
            }
            Err(error) if is_too_long(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns which of the sessions match the metadata filter.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn with_metadata(
        &self,
        dialect: DialectName,
        ids: &[SessionId],
        filter: &Filter,
    ) -> Result<HashSet<SessionId>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        // The only statement that is built at run time: from constant parts, around parameters.
        let mut statement: QueryBuilder<Postgres> = QueryBuilder::new("SELECT s.session_id FROM sessions s ");
        // OFFSET 0 prevents the cast from being repeated for every condition.
        statement.push(
            "CROSS JOIN LATERAL (SELECT COALESCE(s.metadata, '{}')::jsonb AS metadata OFFSET 0) m WHERE s.org_id = ",
        );
        statement.push_bind(self.0.org.0).push(" AND s.dialect = ").push_bind(dialect.code());
        statement.push(" AND s.session_id = ANY(").push_bind(ids).push(") AND ");
        filter_sql::push(&mut statement, filter)?;
        let mut transaction = scope::begin_pooled(self.0.scans(), self.0.org).await?;
        let found: Vec<Uuid> = statement.build_query_scalar().fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(found.into_iter().map(SessionId).collect())
    }

    /// Returns the sessions with these ids in their order, at most [`MAX_PAGE_BYTES`](crate::store::MAX_PAGE_BYTES).
    /// Sessions that do not exist are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn read(&self, dialect: DialectName, ids: &[SessionId]) -> Result<Page<Session>, StoreError> {
        let keys: Vec<RowKey> = ids.iter().map(|id| RowKey::new(self.0.org, dialect, *id)).collect();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let page = SessionRow::page(&mut transaction, &keys).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }
}
