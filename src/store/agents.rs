//! The agents of one organization, by any of their names.

use std::sync::Arc;

use super::{StoreError, TenantStore, scope};
use crate::domain::{Agent, AgentId, AgentNumber, AgentRef, Avatar, JsonText};

pub struct Agents<'s>(pub(super) &'s TenantStore);

impl Agents<'_> {
    /// The living agent of that name. Its presence is remembered for a second at most, its absence never.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, name: &AgentRef) -> Result<Option<Arc<Agent>>, StoreError> {
        self.0.presence().agents.find((self.0.org, name.clone()), || self.read(name)).await
    }

    async fn read(&self, name: &AgentRef) -> Result<Option<Agent>, StoreError> {
        let (id, key, number) = match name {
            AgentRef::Id(id) => (Some(id.0), None, None),
            AgentRef::Key(key) => (None, Some(key.as_str()), None),
            AgentRef::Number(number) => (None, None, Some(number.get())),
        };
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        // One of the three is given; OR lets Postgres use the index of whichever it is.
        let row = sqlx::query!(
            r#"SELECT a.agent_id, a.key, a.number, a.name, a.enabled, a.language,
                      a.responder::text AS responder, a.settings::text AS "settings!",
                      v.number AS "avatar_number?", v.name AS "avatar_name?", v.url AS "avatar_url?", v.voice_id
                 FROM agents a
                 LEFT JOIN avatars v ON v.org_id = a.org_id AND v.number = a.avatar_number
                WHERE a.org_id = $1 AND a.deleted_at IS NULL
                  AND (a.agent_id = $2 OR a.key = $3 OR a.number = $4)"#,
            self.0.org.0,
            id,
            key,
            number
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;

        let Some(row) = row else { return Ok(None) };
        let avatar = match (row.avatar_number, row.avatar_name, row.avatar_url) {
            (Some(number), Some(name), Some(url)) => Some(Avatar { number, name, url, voice_id: row.voice_id }),
            _ => None,
        };
        Ok(Some(Agent {
            id: AgentId(row.agent_id),
            key: row.key.parse().map_err(|_| StoreError::Unreadable(format!("agent key {}", row.key)))?,
            number: AgentNumber::new(row.number)
                .ok_or_else(|| StoreError::Unreadable(format!("agent number {}", row.number)))?,
            name: row.name,
            enabled: row.enabled,
            language: row.language,
            avatar,
            responder: row.responder.map(|text| serde_json::from_str(&text)).transpose()?,
            settings: JsonText::stored(row.settings)?,
        }))
    }
}
