//! Listing agents by keyset, newest first.

use std::collections::HashMap;

use uuid::Uuid;

use super::{AgentRow, Agents, living_agents};
use crate::domain::{Agent, AgentId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page, PageLimit};
use crate::store::{HEADING_CHARS, StoreError, keyset, scope};

/// The fields of an agent that a scan reads.
#[derive(Clone, Debug)]
pub struct AgentHeading {
    pub id: AgentId,
    pub created_at: Timestamp,
    /// Its first [`HEADING_CHARS`] characters.
    pub name: String,
    /// Its first [`HEADING_CHARS`] characters.
    pub description: Option<String>,
}

/// Which agents to list; by default all that are not deleted.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgentFilter<'f> {
    pub enabled: Option<bool>,
    /// Part of the name, in any case.
    pub name_contains: Option<&'f str>,
}

impl Agents<'_> {
    /// Returns the newest agents after the cursor, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(
        &self,
        filter: AgentFilter<'_>,
        after: Option<(Timestamp, AgentId)>,
        limit: PageLimit,
    ) -> Result<Page<Agent>, StoreError> {
        let (at, id) = keyset::or_latest(after.map(|(at, id)| (at, id.0)));
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = living_agents!(
            "AND ($2::boolean IS NULL OR a.enabled = $2)
             AND ($3::text IS NULL OR strpos(lower(a.name), lower($3)) > 0)
             AND (a.created_at, a.agent_id) < ($4, $5)
             ORDER BY a.created_at DESC, a.agent_id DESC LIMIT $6 OFFSET $7",
            self.0.org.0,
            filter.enabled,
            filter.name_contains,
            at,
            id,
            limit.rows,
            limit.skip
        );
        let page = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Returns the first characters of names and descriptions of agents, newest first, for a scan of many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn headings(
        &self,
        enabled: Option<bool>,
        after: Option<(Timestamp, AgentId)>,
        limit: i64,
    ) -> Result<Vec<AgentHeading>, StoreError> {
        let (at, id) = keyset::or_latest(after.map(|(at, id)| (at, id.0)));
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query!(
            r#"SELECT agent_id, created_at, left(name, $6) AS "name!", left(description, $6) AS description
                 FROM agents
                WHERE org_id = $1 AND deleted_at IS NULL AND ($2::boolean IS NULL OR enabled = $2)
                  AND (created_at, agent_id) < ($3, $4)
                ORDER BY created_at DESC, agent_id DESC LIMIT $5"#,
            self.0.org.0,
            enabled,
            at,
            id,
            limit,
            HEADING_CHARS
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let headings = rows.into_iter().map(|row| AgentHeading {
            id: AgentId(row.agent_id),
            created_at: row.created_at,
            name: row.name,
            description: row.description,
        });
        Ok(headings.collect())
    }

    /// Returns the agents with these ids that are not deleted, newest first, at most [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn read_all(&self, ids: &[AgentId]) -> Result<Page<Agent>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows =
            living_agents!("AND a.agent_id = ANY ($2) ORDER BY a.created_at DESC, a.agent_id DESC", self.0.org.0, &ids);
        let page = bytes::page(rows.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Returns the keys of the agents with these ids that are not deleted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn keys(&self, ids: &[AgentId]) -> Result<HashMap<AgentId, String>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // Without a condition on deleted_at, the primary key is the only index that serves it.
        let rows = sqlx::query!(
            r#"SELECT a.agent_id, a.key AS "key!", a.deleted_at IS NULL AS "exists!"
                 FROM agents a WHERE a.org_id = $1 AND a.agent_id = ANY ($2)"#,
            self.0.org.0,
            &ids
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().filter(|row| row.exists).map(|row| (AgentId(row.agent_id), row.key)).collect())
    }

    /// Returns how many agents match the filter, counted up to `most`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn count(&self, filter: AgentFilter<'_>, limit: i64) -> Result<i64, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!"
                 FROM (SELECT FROM agents a
                        WHERE a.org_id = $1 AND a.deleted_at IS NULL
                          AND ($2::boolean IS NULL OR a.enabled = $2)
                          AND ($3::text IS NULL OR strpos(lower(a.name), lower($3)) > 0)
                        LIMIT $4) counted"#,
            self.0.org.0,
            filter.enabled,
            filter.name_contains,
            limit
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(count)
    }
}
