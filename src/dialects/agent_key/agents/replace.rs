//! `PUT /v2/agents/{agent_key}` (docs/dialects/agent-key.md).

use http::StatusCode;

use super::body::{CreateAgent, Members};
use super::config::Config;
use super::create::ValidatedCreateAgent;
use super::update::same_key;
use super::wire::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::{AgentKey, AgentRef};
use crate::http::{JsonBody, PathOf, Reply};

/// Replace agent
///
/// An absent member gets its default. The identity, and what other vendors' APIs store about the agent, stay unchanged.
#[utoipa::path(
    put,
    path = "/v2/agents/{agent_key}",
    params(("agent_key" = String, Path, description = "The agent's key.")),
    request_body = CreateAgent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The current agent.", body = WireAgent),
    )
)]
#[tracing::instrument(name = "agent_key.replace_agent", level = "debug", skip_all)]
pub async fn replace_agent(
    caller: Caller<AgentKeyDialect, purpose::WriteAgents>,
    path: PathOf<AgentKeyDialect, String>,
    body: JsonBody<AgentKeyDialect, Members>,
) -> Result<Reply<WireAgent>, AgentKeyError> {
    let agent_not_found = || AgentKeyError::AgentNotFound(path.0.clone());
    let key: AgentKey = path.0.parse().map_err(|_| agent_not_found())?;
    find::agent(&caller, &path.0).await?;
    let mut body = body.0;
    same_key(&mut body, &key)?;
    let values = ValidatedCreateAgent::read(body)?;
    let now = caller.now();
    let changed = caller
        .store
        .agents()
        .update(&AgentRef::Key(key), move |agent| {
            let config = Config { identity: Config::of(agent).identity, ..values.config };
            agent.settings = config.within(&agent.settings)?;
            agent.name = values.name;
            agent.description = values.description;
            agent.enabled = values.enabled;
            agent.updated_at = now;
            Ok::<(), AgentKeyError>(())
        })
        .await?
        .or_missing(agent_not_found)?;
    Ok(Reply(StatusCode::OK, WireAgent::new(&changed, &caller.principal.organization.responder)?))
}
