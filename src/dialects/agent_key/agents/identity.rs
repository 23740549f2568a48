//! `GET` and `PATCH /v2/agents/{agent_key}/identity` (docs/dialects/agent-key.md).

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::config::{Config, Identity, Mode};
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::patch::invalid;
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, find};
use crate::domain::{Agent, AgentKey, AgentRef, JsonField, JsonText};
use crate::http::{JsonBody, PathOf, Reply};

/// Bytes of a list of roles.
const ROLES_LIMIT: usize = 65_536;

#[derive(Serialize, ToSchema)]
#[schema(as = AgentIdentity)]
pub struct WireIdentity {
    mode: Mode,
    /// The agent's UUID.
    client_id: String,
    #[schema(value_type = Vec<String>)]
    api_roles: JsonText,
    #[schema(value_type = Vec<Object>)]
    corpus_roles: JsonText,
    #[schema(value_type = Vec<Object>)]
    agent_roles: JsonText,
}

impl WireIdentity {
    fn new(agent: &Agent) -> Self {
        let none = || JsonText::of(&[(); 0]).unwrap_or_else(|_| JsonText::empty_object());
        let identity = Config::of(agent).identity.unwrap_or_else(|| Identity {
            mode: Mode::Auto,
            api_roles: none(),
            corpus_roles: none(),
            agent_roles: none(),
        });
        Self {
            mode: identity.mode,
            client_id: agent.id.to_string(),
            api_roles: identity.api_roles,
            corpus_roles: identity.corpus_roles,
            agent_roles: identity.agent_roles,
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub struct UpdateIdentity {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    mode: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    api_roles: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    corpus_roles: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    agent_roles: JsonField,
}

fn roles(given: JsonField, field: &'static str, current: JsonText) -> Result<JsonText, AgentKeyError> {
    match given {
        JsonField::Absent => Ok(current),
        JsonField::Null => Ok(JsonText::of(&[(); 0]).unwrap_or(current)),
        JsonField::Array(roles) if roles.as_str().len() <= ROLES_LIMIT => Ok(roles),
        _ => Err(invalid(field, "must be an array of at most 65536 bytes")),
    }
}

impl UpdateIdentity {
    fn apply_to(self, current: WireIdentity) -> Result<Identity, AgentKeyError> {
        Ok(Identity {
            mode: match self.mode.as_str() {
                Some("auto") => Mode::Auto,
                Some("manual") => Mode::Manual,
                None if self.mode.is_missing() => current.mode,
                _ => return Err(invalid("mode", "must be auto or manual")),
            },
            api_roles: roles(self.api_roles, "api_roles", current.api_roles)?,
            corpus_roles: roles(self.corpus_roles, "corpus_roles", current.corpus_roles)?,
            agent_roles: roles(self.agent_roles, "agent_roles", current.agent_roles)?,
        })
    }
}

/// Get agent identity
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/identity",
    params(("agent_key" = String, Path, description = "The agent's key.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The identity.", body = WireIdentity),
    )
)]
#[tracing::instrument(name = "agent_key.get_identity", level = "debug", skip_all)]
pub async fn get_identity(
    caller: Caller<AgentKeyDialect, purpose::ReadAgents>,
    path: PathOf<AgentKeyDialect, String>,
) -> Result<Reply<WireIdentity>, AgentKeyError> {
    let agent = find::agent(&caller, &path.0).await?;
    Ok(Reply(StatusCode::OK, WireIdentity::new(&agent)))
}

/// Update agent identity
#[utoipa::path(
    patch,
    path = "/v2/agents/{agent_key}/identity",
    params(("agent_key" = String, Path, description = "The agent's key.")),
    request_body = UpdateIdentity,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The current identity.", body = WireIdentity),
    )
)]
#[tracing::instrument(name = "agent_key.update_identity", level = "debug", skip_all)]
pub async fn update_identity(
    caller: Caller<AgentKeyDialect, purpose::WriteAgents>,
    path: PathOf<AgentKeyDialect, String>,
    body: JsonBody<AgentKeyDialect, UpdateIdentity>,
) -> Result<Reply<WireIdentity>, AgentKeyError> {
    let agent_not_found = || AgentKeyError::AgentNotFound(path.0.clone());
    let key: AgentKey = path.0.parse().map_err(|_| agent_not_found())?;
    let now = caller.now();
    let changed = caller
        .store
        .agents()
        .update(&AgentRef::Key(key), move |agent| {
            let identity = body.0.apply_to(WireIdentity::new(agent))?;
            let config = Config { identity: Some(identity), ..Config::of(agent) };
            agent.settings = config.within(&agent.settings)?;
            agent.updated_at = now;
            Ok::<(), AgentKeyError>(())
        })
        .await?
        .or_missing(agent_not_found)?;
    Ok(Reply(StatusCode::OK, WireIdentity::new(&changed)))
}
