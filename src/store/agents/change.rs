//! Changing agents, and deleting them.

use std::sync::Arc;

use super::{AgentRow, Agents, Names, living_agents};
use crate::domain::{Action, Agent, AgentRef, JsonText, Timestamp};
use crate::store::audit::{self, AgentView, Entry};
use crate::store::signals::{self, Signal};
use crate::store::{StoreError, scope};

/// What became of an update of an agent.
#[derive(Debug)]
#[must_use]
pub enum AgentUpdate<E> {
    Updated(Arc<Agent>),
    /// There is no agent of that name.
    Missing,
    /// The rule rejected the update, and nothing was changed.
    Rejected(E),
}

impl<E> AgentUpdate<E> {
    /// Returns the updated agent.
    ///
    /// # Errors
    /// The rule's error, or `missing` if there is no agent of that name.
    pub fn or_missing<F: From<E>>(self, missing: impl FnOnce() -> F) -> Result<Arc<Agent>, F> {
        match self {
            Self::Updated(agent) => Ok(agent),
            Self::Missing => Err(missing()),
            Self::Rejected(error) => Err(error.into()),
        }
    }
}

/// Returns the bytes of an agent that count against the storage quota.
fn counted_bytes(agent: &Agent) -> Result<usize, StoreError> {
    let responder = agent.responder.as_ref().map(JsonText::of).transpose()?.map_or(0, |json| json.as_str().len());
    let description = agent.description.as_ref().map_or(0, String::len);
    Ok(agent.name.len() + description + responder + agent.settings.as_str().len())
}

impl Agents<'_> {
    /// Changes the living agent of that name by a rule, durably. Nothing is changed if the rule returns an error.
    ///
    /// The rule gets the current agent, under a lock, so that concurrent changes are applied one after another. Changes
    /// that it makes to the agent's names, to its time of creation and to its avatar other than the number are ignored.
    ///
    /// # Errors
    /// [`StoreError::StorageFull`] when the storage quota is used up and the agent would become longer,
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn update<E>(
        &self,
        name: &AgentRef,
        rule: impl FnOnce(&mut Agent) -> Result<(), E> + Send,
    ) -> Result<AgentUpdate<E>, StoreError>
    where
        E: Send,
    {
        let Names { id, key, number } = name.into();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = living_agents!(
            "AND (a.agent_id = $2 OR a.key = $3 OR a.number = $4) FOR UPDATE OF a",
            self.0.org.0,
            id,
            key,
            number
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(AgentUpdate::Missing) };
        let mut agent = Agent::try_from(row)?;
        let before = agent.clone();
        if let Err(error) = rule(&mut agent) {
            return Ok(AgentUpdate::Rejected(error));
        }
        let grown = counted_bytes(&agent)?.saturating_sub(counted_bytes(&before)?);
        if grown > 0 {
            self.0.has_room()?;
        }
        let responder = agent.responder.as_ref().map(JsonText::of).transpose()?;
        sqlx::query!(
            "UPDATE agents
                SET name = $3, description = $4, enabled = $5, language = $6, avatar_number = $7,
                    responder = $8::text::json, settings = $9::text::json, updated_at = $10
              WHERE org_id = $1 AND agent_id = $2",
            self.0.org.0,
            agent.id.0,
            agent.name,
            agent.description,
            agent.enabled,
            agent.language,
            agent.avatar_number,
            responder.as_ref().map(JsonText::as_str),
            agent.settings.as_str(),
            agent.updated_at
        )
        .execute(&mut *transaction)
        .await?;
        if before.enabled && !agent.enabled {
            signals::send(&mut transaction, &[Signal::Agent(self.0.org, agent.id)]).await?;
        }
        let changed = self.read_within(&mut transaction, &AgentRef::Id(agent.id)).await?;
        let entry = Entry::new(self.0.org, self.0.actor(), Action::AgentUpdate, format!("agent/{}", agent.id))
            .before(&AgentView::from(&before))?
            .after(&AgentView::changed(&before, &agent))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        self.forget();
        self.0.stored(grown);
        Ok(changed.map_or(AgentUpdate::Missing, |agent| AgentUpdate::Updated(Arc::new(agent))))
    }

    /// Deletes the agent of that name and frees its key. Its name, key and number stay stored because its sessions show
    /// them. Returns `true` if there was such an agent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete(&self, name: &AgentRef, now: Timestamp) -> Result<bool, StoreError> {
        let deleted: Result<bool, std::convert::Infallible> = self.delete_if(name, now, |_| Ok(())).await?;
        let Ok(deleted) = deleted;
        Ok(deleted)
    }

    /// Deletes the agent of that name like [`delete`](Self::delete), unless `check` rejects the current agent, which is
    /// locked. The inner result is the error of `check`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete_if<E: Send>(
        &self,
        name: &AgentRef,
        now: Timestamp,
        check: impl FnOnce(&Agent) -> Result<(), E> + Send,
    ) -> Result<Result<bool, E>, StoreError> {
        let Names { id, key, number } = name.into();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let found = living_agents!(
            "AND (a.agent_id = $2 OR a.key = $3 OR a.number = $4) FOR UPDATE OF a",
            self.0.org.0,
            id,
            key,
            number
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = found else { return Ok(Ok(false)) };
        let agent = Agent::try_from(row)?;
        if let Err(error) = check(&agent) {
            return Ok(Err(error));
        }
        sqlx::query!(
            "UPDATE agents SET deleted_at = $3, enabled = false, description = NULL, avatar_number = NULL, responder = NULL,
                               settings = '{}'
              WHERE org_id = $1 AND agent_id = $2",
            self.0.org.0,
            agent.id.0,
            now
        )
        .execute(&mut *transaction)
        .await?;
        signals::send(&mut transaction, &[Signal::Agent(self.0.org, agent.id)]).await?;
        let entry = Entry::new(self.0.org, self.0.actor(), Action::AgentDelete, format!("agent/{}", agent.id))
            .before(&AgentView::from(&agent))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        self.forget();
        Ok(Ok(true))
    }
}
