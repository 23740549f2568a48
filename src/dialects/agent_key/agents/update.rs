//! `PATCH /v2/agents/{agent_key}` (docs/dialects/agent-key.md).

use http::StatusCode;

use super::body::{Members, UpdateAgent};
use super::config::Config;
use super::wire::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::patch::{self, invalid};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::{AgentKey, AgentRef, Patch};
use crate::http::{JsonBody, PathOf, Reply};

/// Update agent
///
/// An absent member stays unchanged. Null removes a member; `enabled: null` sets true. Maps are merged entry by entry,
/// and an entry that is null is removed.
#[utoipa::path(
    patch,
    path = "/v2/agents/{agent_key}",
    params(("agent_key" = String, Path, description = "The agent's key.")),
    request_body = UpdateAgent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The current agent.", body = WireAgent),
    )
)]
#[tracing::instrument(name = "agent_key.update_agent", level = "debug", skip_all)]
pub async fn update_agent(
    caller: Caller<AgentKeyDialect, purpose::WriteAgents>,
    path: PathOf<AgentKeyDialect, String>,
    body: JsonBody<AgentKeyDialect, Members>,
) -> Result<Reply<WireAgent>, AgentKeyError> {
    let agent_not_found = || AgentKeyError::AgentNotFound(path.0.clone());
    let key: AgentKey = path.0.parse().map_err(|_| agent_not_found())?;
    find::agent(&caller, &path.0).await?;
    let mut body = body.0;
    same_key(&mut body, &key)?;
    let name = match patch::text(body.take("name"), "name", 1..=50)? {
        Patch::Clear => return Err(invalid("name", "must be a string of 1 to 50 characters")),
        name => name,
    };
    let description = patch::text(body.take("description"), "description", 0..=10_000)?;
    let enabled = patch::boolean(&body.take("enabled"), "enabled")?;
    let now = caller.now();
    let changed = caller
        .store
        .agents()
        .update(&AgentRef::Key(key), move |agent| {
            let mut config = Config::of(agent);
            config.patch(body.0)?;
            agent.settings = config.within(&agent.settings)?;
            if let Patch::Set(name) = name {
                agent.name = name;
            }
            description.apply_to(&mut agent.description);
            enabled.apply_or(&mut agent.enabled, true);
            agent.updated_at = now;
            Ok::<(), AgentKeyError>(())
        })
        .await?
        .or_missing(agent_not_found)?;
    Ok(Reply(StatusCode::OK, WireAgent::new(&changed, &caller.principal.organization.responder)?))
}

/// Checks that a key in the body is the same as the one in the path.
pub(super) fn same_key(body: &mut Members, key: &AgentKey) -> Result<(), AgentKeyError> {
    match patch::key::<AgentKey>(&body.take("key"))? {
        Some(other) if other != *key => Err(invalid("key", "cannot be changed")),
        _ => Ok(()),
    }
}
