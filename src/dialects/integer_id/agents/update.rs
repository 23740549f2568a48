//! `PUT /api/v1/agents/{agent_id}` (docs/dialects/integer-id.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::agents::agent::{self, AgentChanges, AgentMembers, IntegerIdAgentSettings};
use crate::dialects::integer_id::avatars::avatar::Done;
use crate::dialects::integer_id::error::{Bare, BareEnvelope};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::domain::agent::with_settings;
use crate::domain::{Agent, DialectName, Patch, Timestamp};
use crate::http::{JsonBody, PathOf, Rejection, Reply};

/// Update agent
///
/// An archived agent accepts no new sessions.
#[utoipa::path(
    put,
    path = "/api/v1/agents/{agent_id}",
    params(("agent_id" = i64, Path, description = "The agent's integer id.")),
    request_body = AgentMembers,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent was changed.", body = Done),
        (status = 400, description = "There is nothing to change.", body = BareEnvelope),
        (status = 404, description = "No such agent in this organization.", body = BareEnvelope),
    )
)]
#[tracing::instrument(name = "integer_id.update_agent", level = "debug", skip_all)]
pub async fn update_agent(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    path: PathOf<IntegerId, String>,
    body: JsonBody<IntegerId, AgentMembers>,
) -> Result<Reply<Done>, IntegerIdError> {
    let name = agent::named(&path.0, Bare::AgentNotFound)?;
    let changes = body.0.validate()?;
    if changes.is_empty() {
        return Err(Bare::Invalid("No fields to update").into());
    }
    if let Patch::Set(avatar) = changes.avatar_number
        && !caller.store.avatars().exists(avatar).await?
    {
        return Err(Bare::Invalid("Avatar not found").into());
    }
    let now = caller.now();
    let updated = caller.store.agents().update(&name, |agent| apply(&changes, agent, now)).await?;
    updated.or_missing(|| IntegerIdError::from(Bare::AgentNotFound))?;
    Ok(Reply(StatusCode::OK, Done::DONE))
}

fn apply(changes: &AgentChanges, agent: &mut Agent, now: Timestamp) -> Result<(), Rejection> {
    if let Some(name) = &changes.name {
        agent.name.clone_from(name);
    }
    changes.avatar_number.clone().apply_to(&mut agent.avatar_number);
    if let Some(language) = &changes.language {
        agent.language.clone_from(language);
    }
    if let Some(enabled) = changes.enabled {
        agent.enabled = enabled;
    }
    let mut settings: IntegerIdAgentSettings = agent.settings_of(DialectName::IntegerId).unwrap_or_default();
    changes.apply_own(&mut settings);
    agent.settings =
        with_settings(&agent.settings, DialectName::IntegerId, &settings).map_err(|_| Rejection::Internal)?;
    agent.updated_at = now;
    Ok(())
}
