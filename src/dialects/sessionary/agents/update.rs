//! `PATCH /sessionary/v1/agents/{agent_id}`.

use http::StatusCode;
use utoipa::ToSchema;

use super::agent::{self, DESCRIPTION, NAME, WireAgent};
use super::responder::{self, NewResponder};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::{IfMatch, Versioned};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{AgentRef, Patch};
use crate::http::{JsonBody, PathOf};

/// An absent member stays unchanged.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct UpdateAgent {
    /// 1 to 200 characters.
    name: Option<String>,
    /// At most 10,000 characters. Null removes it.
    description: Option<String>,
    /// Replaces the whole responder. Null uses the organization's.
    responder: Option<NewResponder>,
    enabled: Option<bool>,
}

/// Update an agent
#[utoipa::path(
    patch,
    path = "/sessionary/v1/agents/{agent_id}",
    params(
        ("agent_id" = uuid::Uuid, Path, description = "The agent's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to change."),
    ),
    request_body = UpdateAgent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The agent.", body = WireAgent, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 412, description = "The agent has changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.update_agent", level = "debug", skip_all)]
pub async fn update_agent(
    caller: Caller<Sessionary, purpose::WriteAgents>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<Versioned<WireAgent>, SessionaryError> {
    let id = agent::id_of(&path.0)?;
    let mut body = body.0;
    let name = body.text("name", NAME);
    let name = body.not_null("name", name);
    let description = body.text("description", DESCRIPTION);
    let mut responder = responder::read(&mut body, "responder");
    let enabled = body.boolean("enabled");
    let enabled = body.not_null("enabled", enabled);
    body.finish()?;

    let rule = |agent: &mut crate::domain::Agent| {
        if_match.check(&WireAgent::new(agent, &caller))?;
        if let Some(name) = name {
            agent.name = name;
        }
        description.apply_to(&mut agent.description);
        if let Patch::Set(new) = &mut responder {
            responder::keep_secrets(agent.responder.as_ref(), new);
        }
        responder.apply_to(&mut agent.responder);
        agent.enabled = enabled.unwrap_or(agent.enabled);
        agent.updated_at = caller.now();
        Ok::<(), SessionaryError>(())
    };
    let changed = caller.store.agents().update(&AgentRef::Id(id), rule).await?.or_missing(|| agent::MISSING)?;
    Ok(Versioned(StatusCode::OK, WireAgent::new(&changed, &caller)))
}
