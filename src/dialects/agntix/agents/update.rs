//! `PATCH /v2/chat/agents/{agentId}` (docs/dialects/agntix.md).

use axum::extract::State;
use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::agents::agent::{AgentBody, AgentChanges, ChatAgentDetail, settings_of, unwritten};
use crate::dialects::agntix::agents::get::name_of;
use crate::dialects::agntix::{Agntix, AgntixError, Settings};
use crate::domain::agent::with_settings;
use crate::domain::{Agent, DialectName, Timestamp};
use crate::http::{JsonBody, PathOf, Reply};

/// Update agent
///
/// Changes the given members. Also at `/v1/chat/agents/{agentId}`.
#[utoipa::path(
    patch,
    path = "/v2/chat/agents/{agentId}",
    params(("agentId" = uuid::Uuid, Path, description = "The agent's id.")),
    request_body = AgentBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent.", body = ChatAgentDetail),
        (status = 422, description = "The model is not supported."),
    )
)]
#[tracing::instrument(name = "agntix.update_agent", level = "debug", skip_all)]
pub async fn update_agent(
    State(settings): State<Settings>,
    caller: Caller<Agntix, purpose::WriteAgents>,
    path: PathOf<Agntix, String>,
    body: JsonBody<Agntix, AgentBody>,
) -> Result<Reply<ChatAgentDetail>, AgntixError> {
    let name = name_of(&path.0)?;
    let changes = body.0.validate(&settings)?;
    let now = caller.now();
    let updated = caller.store.agents().update(&name, move |agent| apply(changes, agent, now)).await?;
    let agent = updated.or_missing(|| AgntixError::AgentNotFound)?;
    Ok(Reply(StatusCode::OK, ChatAgentDetail::new(&agent, &caller.principal.organization, &settings)))
}

fn apply(mut changes: AgentChanges, agent: &mut Agent, now: Timestamp) -> Result<(), AgntixError> {
    if let Some(name) = changes.full_name.take() {
        agent.name = name;
    }
    if let Some(description) = changes.description.take() {
        agent.description = Some(description);
    }
    if let Some(language) = changes.language.take() {
        agent.language = language;
    }
    agent.enabled = changes.is_active.unwrap_or(agent.enabled);
    let mut settings = settings_of(agent);
    changes.apply_own(&mut settings);
    agent.settings = with_settings(&agent.settings, DialectName::Agntix, &settings).map_err(unwritten)?;
    agent.updated_at = now;
    Ok(())
}
