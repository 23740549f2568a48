//! `POST /v2/agents` (docs/dialects/agent-key.md).

use axum::response::Response;
use http::StatusCode;

use super::body::{CreateAgent, Members};
use super::config::Config;
use super::wire::WireAgent;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::keys::{self, Kind};
use crate::dialects::agent_key::patch::{self, invalid};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::{AgentId, AgentKey, AgentNumber, JsonText, NewAgent};
use crate::http::{Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::{AgentCreated, Series};

/// Characters, as in the vendor's specification.
const NAME_LIMIT: usize = 50;
/// Characters; the vendor documents no limit.
const DESCRIPTION_LIMIT: usize = 10_000;

/// The validated members of a new agent, or of one that replaces another.
pub(super) struct ValidatedCreateAgent {
    pub key: Option<AgentKey>,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub config: Config,
}

impl ValidatedCreateAgent {
    pub(super) fn read(mut body: Members) -> Result<Self, AgentKeyError> {
        let key = patch::key(&body.take("key"))?;
        let name = patch::text(body.take("name"), "name", 1..=NAME_LIMIT)?
            .set()
            .ok_or_else(|| invalid("name", "is required"))?;
        let description = patch::text(body.take("description"), "description", 0..=DESCRIPTION_LIMIT)?.set();
        let enabled = patch::boolean(&body.take("enabled"), "enabled")?.set().unwrap_or(true);
        let mut config = Config::default();
        config.replace(body.0)?;
        Ok(Self { key, name, description, enabled, config })
    }
}

/// Create agent
///
/// Tools, skills, models and steps are stored and returned as they were sent; an agent's responder replies to its
/// messages. Without a `key`, one is generated from the name.
#[utoipa::path(
    post,
    path = "/v2/agents",
    params(IdempotencyKeyHeader),
    request_body = CreateAgent,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Agent created.", body = WireAgent),
        (status = 409, description = "The key is taken."),
    )
)]
pub async fn create_agent(
    caller: Caller<AgentKeyDialect, purpose::WriteAgents>,
    request: Idempotent<AgentKeyDialect, Members>,
) -> Response {
    request.respond(caller, create).await
}

#[tracing::instrument(name = "agent_key.create_agent", level = "debug", skip_all)]
async fn create(
    caller: Caller<AgentKeyDialect, purpose::WriteAgents>,
    body: Members,
) -> Result<Reply<WireAgent>, AgentKeyError> {
    let values = ValidatedCreateAgent::read(body)?;
    let id = AgentId(caller.mint.uuid());
    let candidates: Vec<AgentKey> = match values.key {
        Some(key) => vec![key],
        None => keys::candidates(Kind::Agent, &values.name, &caller.mint),
    };
    let number = AgentNumber::new(caller.number(Series::Agents).await?).ok_or(Rejection::Internal)?;
    let settings = values.config.within(&JsonText::empty_object())?;
    for key in &candidates {
        let new = NewAgent {
            number: Some(number),
            description: values.description.clone(),
            enabled: values.enabled,
            settings: settings.clone(),
            ..NewAgent::named(id, key.clone(), values.name.clone(), caller.now())
        };
        if let AgentCreated::New(agent) = caller.store.agents().create(new).await? {
            let default = &caller.principal.organization.responder;
            return Ok(Reply(StatusCode::CREATED, WireAgent::new(&agent, default)?));
        }
    }
    Err(AgentKeyError::AgentKeyTaken(candidates.last().map(ToString::to_string).unwrap_or_default()))
}
