use super::{AdminError, AdminStore, taken};
use crate::domain::{Action, Agent, AgentId, JsonText, NewAgent, OrgId, Timestamp};
use crate::store::agents::{AgentRow, living_agents};
use crate::store::audit::{self, AgentView, Entry};
use crate::store::scope::PooledTransaction;
use crate::store::signals::{self, Signal};
use crate::store::{Series, scope};

pub struct NewAvatar<'a> {
    pub number: i64,
    pub name: &'a str,
    pub url: &'a str,
    pub voice_id: Option<&'a str>,
    pub created_at: Timestamp,
}

impl AdminStore {
    /// Creates an agent and returns its number.
    ///
    /// # Errors
    /// [`AdminError::Taken`] when its id, key or number belongs to another agent of the organization.
    pub async fn create_agent(&self, org: OrgId, new: &NewAgent) -> Result<i64, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let series = Series::Agents.code();
        let number = match new.number {
            // The counter moves past a number given by the operator, so that it is not assigned again.
            Some(number) => {
                sqlx::query!(
                    "INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, $3::bigint + 1)
                         ON CONFLICT (org_id, series)
                         DO UPDATE SET next_number = GREATEST(number_blocks.next_number, $3::bigint + 1)",
                    org.0,
                    series,
                    number.get()
                )
                .execute(&mut *transaction)
                .await?;
                number.get()
            }
            None => {
                sqlx::query_scalar!(
                    r#"INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, 2)
                           ON CONFLICT (org_id, series) DO UPDATE SET next_number = number_blocks.next_number + 1
                       RETURNING next_number - 1 AS "number!""#,
                    org.0,
                    series
                )
                .fetch_one(&mut *transaction)
                .await?
            }
        };
        let responder = new.responder.as_ref().map(JsonText::of).transpose()?;
        sqlx::query!(
            "INSERT INTO agents (org_id, agent_id, key, number, name, description, enabled, language, avatar_number,
                                 responder, settings, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11::text::json, $12, $12)",
            org.0,
            new.id.0,
            new.key.as_str(),
            number,
            new.name,
            new.description,
            new.enabled,
            new.language,
            new.avatar_number,
            responder.as_ref().map(JsonText::as_str),
            new.settings.as_str(),
            new.created_at
        )
        .execute(&mut *transaction)
        .await
        .map_err(|error| {
            taken(
                error,
                &[("agents_pkey", "agent id"), ("agents_live_key", "agent key"), ("agents_number", "agent number")],
            )
        })?;
        let entry = Entry::new(org, &self.actor, Action::AgentCreate, format!("agent/{}", new.id))
            .after(&AgentView::new(new, number))?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(number)
    }

    /// Returns the agents of an organization that are not deleted, by number.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn agents(&self, org: OrgId) -> Result<Vec<Agent>, AdminError> {
        let rows = living_agents!("ORDER BY a.number", org.0).fetch_all(self.pool(org).reads()).await?;
        Ok(rows.into_iter().map(Agent::try_from).collect::<Result<_, _>>()?)
    }

    /// Returns the agent of an organization that has this UUID, key or number and is not deleted.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is none, [`AdminError::AmbiguousAgent`] when the text is the key of one and
    /// the number of another.
    pub async fn agent(&self, org: OrgId, name: &str) -> Result<Agent, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let agent = find(&mut transaction, org, name).await?;
        transaction.commit().await?;
        Ok(agent)
    }

    /// Changes an agent by a rule, under a lock. Returns the agent before and after the change. Changes that the rule
    /// makes to the agent's UUID, key, number and times are ignored. Replicas apply the change within a second.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such agent, [`AdminError::AmbiguousAgent`] when the text is the key of
    /// one and the number of another, and the errors of the rule.
    pub async fn change_agent<E: From<AdminError>>(
        &self,
        org: OrgId,
        name: &str,
        now: Timestamp,
        rule: impl FnOnce(&mut Agent) -> Result<(), E> + Send,
    ) -> Result<(Agent, Agent), E> {
        let mut transaction = scope::begin_system(&self.pool(org)).await.map_err(AdminError::from)?;
        let before = find(&mut transaction, org, name).await?;
        let mut after = before.clone();
        rule(&mut after)?;
        if after == before {
            return Ok((before, after));
        }
        after.updated_at = now;
        write(&mut transaction, org, &after).await?;
        if before.enabled && !after.enabled {
            // Its turns end.
            let signal = Signal::Agent(org, after.id);
            signals::send(&mut transaction, &[signal]).await.map_err(AdminError::from)?;
        }
        let entry = Entry::new(org, &self.actor, Action::AgentUpdate, format!("agent/{}", after.id))
            .before(&AgentView::from(&before))
            .and_then(|entry| entry.after(&AgentView::changed(&before, &after)))
            .map_err(AdminError::from)?;
        audit::append_as_system(&mut transaction, entry).await.map_err(AdminError::from)?;
        transaction.commit().await.map_err(AdminError::from)?;
        Ok((before, after))
    }

    /// Marks an agent as deleted and frees its key. Its sessions keep their history. Returns the agent as it was
    /// before.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such agent, [`AdminError::AmbiguousAgent`] when the text is the key of
    /// one and the number of another.
    pub async fn delete_agent(&self, org: OrgId, name: &str, now: Timestamp) -> Result<Agent, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let agent = find(&mut transaction, org, name).await?;
        sqlx::query!("UPDATE agents SET deleted_at = $3 WHERE org_id = $1 AND agent_id = $2", org.0, agent.id.0, now)
            .execute(&mut *transaction)
            .await?;
        let entry = Entry::new(org, &self.actor, Action::AgentDelete, format!("agent/{}", agent.id))
            .before(&AgentView::from(&agent))?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(agent)
    }

    /// Creates an avatar. Does nothing if there is one with this number.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn create_avatar(&self, org: OrgId, new: &NewAvatar<'_>) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        sqlx::query!(
            "INSERT INTO avatars (org_id, number, name, url, voice_id, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (org_id, number) DO NOTHING",
            org.0,
            new.number,
            new.name,
            new.url,
            new.voice_id,
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, $3::bigint + 1)
                 ON CONFLICT (org_id, series) DO UPDATE SET next_number = GREATEST(number_blocks.next_number, $3::bigint + 1)",
            org.0,
            Series::Avatars.code(),
            new.number
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Finds an agent that is not deleted by any of its names, and locks it until the transaction ends.
async fn find(transaction: &mut PooledTransaction, org: OrgId, name: &str) -> Result<Agent, AdminError> {
    let id = name.parse::<AgentId>().ok().map(|id| id.0);
    let number = name.parse::<i64>().ok();
    // Two agents never share a name of the same kind, so at most three rows match.
    let mut found =
        living_agents!("AND (a.agent_id = $2 OR a.key = $3 OR a.number = $4) FOR UPDATE OF a", org.0, id, name, number)
            .fetch_all(&mut **transaction)
            .await?;
    if let Some(index) = found.iter().position(|row: &AgentRow| Some(row.agent_id) == id) {
        return Ok(found.swap_remove(index).try_into()?);
    }
    let first = found.pop().ok_or(AdminError::NotFound("agent"))?;
    if found.is_empty() { Ok(first.try_into()?) } else { Err(AdminError::AmbiguousAgent(name.to_owned())) }
}

async fn write(transaction: &mut PooledTransaction, org: OrgId, agent: &Agent) -> Result<(), AdminError> {
    let responder = agent.responder.as_ref().map(JsonText::of).transpose()?;
    sqlx::query!(
        "UPDATE agents
            SET name = $3, description = $4, enabled = $5, language = $6, responder = $7::text::json,
                settings = $8::text::json, updated_at = $9
          WHERE org_id = $1 AND agent_id = $2",
        org.0,
        agent.id.0,
        agent.name,
        agent.description,
        agent.enabled,
        agent.language,
        responder.as_ref().map(JsonText::as_str),
        agent.settings.as_str(),
        agent.updated_at
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
