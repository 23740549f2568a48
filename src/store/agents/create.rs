//! Creates agents.

use std::sync::Arc;

use super::Agents;
use crate::domain::{Action, Agent, AgentRef, JsonText, NewAgent};
use crate::store::audit::{self, AgentView, Entry};
use crate::store::scope::PooledTransaction;
use crate::store::{Series, StoreError, scope};

/// The result of a create.
#[derive(Debug, PartialEq)]
pub enum AgentCreated {
    /// The agent exists, and this call or an earlier attempt at it created it.
    New(Arc<Agent>),
    /// Another agent of the organization has that name. Nothing was changed.
    Taken(AgentName),
}

/// Which of an agent's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentName {
    /// Never reusable, not even after its agent is deleted.
    Id,
    /// Reusable once its agent is deleted.
    Key,
    /// Never reusable, not even after its agent is deleted.
    Number,
}

impl Agents<'_> {
    /// Creates an agent, durably, unless one of its names is taken. Its number is `new.number`, or else the
    /// organization's next. A create that may be attempted again passes a number (`caller.number(Series::Agents)`).
    ///
    /// An existing agent with the same id, key and time counts as created by this call, because an earlier attempt may
    /// have lost its response.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::StorageFull`] when the
    /// organization's storage quota is used up.
    pub async fn create(&self, new: NewAgent) -> Result<AgentCreated, StoreError> {
        let number = match new.number {
            Some(number) => number.get(),
            None => self.0.numbers().next(Series::Agents).await?,
        };
        self.0.has_room()?;
        let responder = new.responder.as_ref().map(JsonText::of).transpose()?;
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let inserted = sqlx::query!(
            "INSERT INTO agents (org_id, agent_id, key, number, name, description, enabled, language, avatar_number,
                                 responder, settings, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11::text::json, $12, $12)
                 ON CONFLICT DO NOTHING",
            self.0.org.0,
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
        .await?
        .rows_affected();
        if inserted == 0 {
            // An operator may have set a number that is ahead of the counter, so the other names are checked first.
            let taken = self.taken(&mut transaction, &new).await?;
            let existing = self.read_within(&mut transaction, &AgentRef::Id(new.id)).await?;
            transaction.commit().await?;
            let own = |agent: &Agent| agent.key == new.key && agent.created_at == new.created_at;
            return Ok(match existing.filter(own) {
                Some(agent) => AgentCreated::New(Arc::new(agent)),
                None => AgentCreated::Taken(taken),
            });
        }
        let made = self.read_within(&mut transaction, &AgentRef::Id(new.id)).await?;
        let target = format!("agent/{}", new.id);
        let entry =
            Entry::new(self.0.org, self.0.actor(), Action::AgentCreate, target).after(&AgentView::new(&new, number))?;
        audit::append(&mut transaction, &[entry]).await?;
        self.0.note_commit();
        transaction.commit().await?;
        self.forget();
        self.0.stored(new.settings.as_str().len() + new.description.as_ref().map_or(0, String::len));
        made.map(|agent| AgentCreated::New(Arc::new(agent)))
            .ok_or_else(|| StoreError::Unreadable(format!("agent {}", new.id)))
    }

    async fn taken(&self, transaction: &mut PooledTransaction, new: &NewAgent) -> Result<AgentName, StoreError> {
        let found = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM agents WHERE org_id = $1 AND agent_id = $2) AS "id!",
                      EXISTS (SELECT FROM agents WHERE org_id = $1 AND key = $3 AND deleted_at IS NULL) AS "key!""#,
            self.0.org.0,
            new.id.0,
            new.key.as_str()
        )
        .fetch_one(&mut **transaction)
        .await?;
        Ok(match (found.id, found.key) {
            (true, _) => AgentName::Id,
            (_, true) => AgentName::Key,
            _ => AgentName::Number,
        })
    }
}
