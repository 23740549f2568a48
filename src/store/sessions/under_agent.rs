//! The sessions of one agent, by keyset, newest first; and which of them a metadata filter lets through.

use std::collections::HashSet;

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{RowKey, SessionRow};
use crate::domain::metadata_filter::Filter;
use crate::domain::{AgentId, DialectName, Session, SessionId, Timestamp};
use crate::store::bytes::Page;
use crate::store::sessions::filter_sql;
use crate::store::{Sessions, StoreError, scope};

/// Characters of a name or a description that a scan looks at.
pub const HEADING_CHARS: i32 = 1_000;

/// What is known of a session at a glance.
#[derive(Clone, Debug)]
pub struct Heading {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// Its first [`HEADING_CHARS`] characters.
    pub name: Option<String>,
    /// Its first [`HEADING_CHARS`] characters.
    pub description: Option<String>,
}

impl Sessions<'_> {
    /// The newest `limit` sessions of an agent in the `agent_key` dialect that are open at `now`, from behind `after`,
    /// newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn headings(
        &self,
        agent: AgentId,
        now: Timestamp,
        after: Option<(Timestamp, SessionId)>,
        limit: i64,
    ) -> Result<Vec<Heading>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // The dialect is written out, so that the index of this dialect's sessions alone can be used.
        let rows = sqlx::query!(
            "SELECT session_id, created_at, left(name, $7) AS name, left(description, $7) AS description
               FROM sessions
              WHERE org_id = $1 AND dialect = 3 AND agent_id = $2
                AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $3)
                AND ($4::timestamptz IS NULL OR (created_at, session_id) < ($4, $5::uuid))
              ORDER BY created_at DESC, session_id DESC
              LIMIT $6",
            self.0.org.0,
            agent.0,
            now,
            after.map(|(at, _)| at),
            after.map(|(_, id)| id.0),
            limit,
            HEADING_CHARS
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows
            .into_iter()
            .map(|row| Heading {
                id: SessionId(row.session_id),
                created_at: row.created_at,
                name: row.name,
                description: row.description,
            })
            .collect())
    }

    /// Those of the sessions whose metadata the filter lets through.
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
        // The one statement that is put together as it is needed: of parts that stand in the source, around parameters.
        let mut statement: QueryBuilder<Postgres> = QueryBuilder::new("SELECT s.session_id FROM sessions s ");
        // OFFSET 0 keeps the cast from being made anew for every condition.
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

    /// Returns the sessions of these ids in their order, at most [`MAX_PAGE_BYTES`](crate::store::MAX_PAGE_BYTES); those
    /// that are not there are left out.
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
