//! The agents of one organization, by any of their names.

mod change;
mod create;
mod list;
mod row;

use std::sync::Arc;

use uuid::Uuid;

pub use change::AgentUpdate;
pub use create::{AgentCreated, AgentName};
pub use list::{AgentFilter, AgentHeading};

use super::scope::PooledTransaction;
use super::{StoreError, TenantStore, scope};
use crate::domain::{Agent, AgentRef};
pub(super) use row::{AgentRow, living_agents};

pub struct Agents<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn agents(&self) -> Agents<'_> {
        Agents(self)
    }
}

/// The three names of an agent. The caller knows one of them.
struct Names<'n> {
    id: Option<Uuid>,
    key: Option<&'n str>,
    number: Option<i64>,
}

impl<'n> From<&'n AgentRef> for Names<'n> {
    fn from(name: &'n AgentRef) -> Self {
        let none = Self { id: None, key: None, number: None };
        match name {
            AgentRef::Id(id) => Self { id: Some(id.0), ..none },
            AgentRef::Key(key) => Self { key: Some(key.as_str()), ..none },
            AgentRef::Number(number) => Self { number: Some(number.get()), ..none },
        }
    }
}

impl Agents<'_> {
    /// Returns the agent with that name, if it is not deleted. An agent that was found is cached for at most a second;
    /// that there is none is never cached. Changes made through this replica are visible at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, name: &AgentRef) -> Result<Option<Arc<Agent>>, StoreError> {
        let age = self.0.lookup_cache().changes.of(self.0.org).get();
        self.0.lookup_cache().agents.find((self.0.org, name.clone(), age), || self.read(name)).await
    }

    async fn read(&self, name: &AgentRef) -> Result<Option<Agent>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let agent = self.read_within(&mut transaction, name).await?;
        transaction.commit().await?;
        Ok(agent)
    }

    async fn read_within(
        &self,
        transaction: &mut PooledTransaction,
        name: &AgentRef,
    ) -> Result<Option<Agent>, StoreError> {
        let Names { id, key, number } = name.into();
        // One of the three is set; with OR, Postgres uses the index of that one.
        let row = living_agents!("AND (a.agent_id = $2 OR a.key = $3 OR a.number = $4)", self.0.org.0, id, key, number)
            .fetch_optional(&mut **transaction)
            .await?;
        row.map(Agent::try_from).transpose()
    }

    /// Invalidates what is cached of the organization's agents.
    fn forget(&self) {
        self.0.lookup_cache().changes.of(self.0.org).happened();
    }
}
