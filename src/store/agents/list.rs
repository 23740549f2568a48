//! Listing agents by keyset, newest first.

use super::{AgentRow, Agents, living_agents};
use crate::domain::{Agent, AgentId, Timestamp};
use crate::store::{StoreError, scope};

/// Which agents are meant: all living ones, unless it says more.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgentFilter<'f> {
    pub enabled: Option<bool>,
    /// Part of the name, in any case.
    pub name_contains: Option<&'f str>,
}

impl Agents<'_> {
    /// The newest `limit` agents from behind `after`, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(
        &self,
        filter: AgentFilter<'_>,
        after: Option<(Timestamp, AgentId)>,
        limit: i64,
    ) -> Result<Vec<Agent>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = living_agents!(
            "AND ($2::boolean IS NULL OR a.enabled = $2)
             AND ($3::text IS NULL OR strpos(lower(a.name), lower($3)) > 0)
             AND ($4::timestamptz IS NULL OR (a.created_at, a.agent_id) < ($4, $5::uuid))
             ORDER BY a.created_at DESC, a.agent_id DESC LIMIT $6",
            self.0.org.0,
            filter.enabled,
            filter.name_contains,
            after.map(|(at, _)| at),
            after.map(|(_, id)| id.0),
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.into_iter().map(Agent::try_from).collect()
    }

    /// How many agents the filter lets through; `most` where there are more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn count(&self, filter: AgentFilter<'_>, most: i64) -> Result<i64, StoreError> {
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
            most
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(count)
    }
}
