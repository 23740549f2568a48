//! `POST /v2/agents/{agent_key}/sessions` (docs/dialects/agent-key.md).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use indexmap::IndexMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::fork::{self, FromSession, Source};
use super::keyed;
use super::session::{AgentKeyDetail, AgentSession, expires_at};
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::keys::{self, Kind};
use crate::dialects::agent_key::patch::{self, invalid};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError, clients, find};
use crate::domain::{Agent, Contract, DialectName, JsonField, JsonText, NewSession, SessionId, SessionKey};
use crate::http::{CostlyWork, PathOf, Rejection, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};

/// Characters; the vendor documents no limit.
pub(super) const NAME_LIMIT: usize = 1_000;
/// Characters; the vendor documents no limit.
pub(super) const DESCRIPTION_LIMIT: usize = 10_000;
/// The name of a session that the vendor's SDK creates without one.
const UNTITLED: &str = "Untitled session";

/// Secrets of one session, and bytes of a secret's name.
const SECRETS: usize = 100;
const SECRET_NAME: usize = 100;

#[derive(Deserialize, ToSchema)]
pub struct CreateSession {
    /// 1 to 50 characters of `0-9`, `a-z`, `A-Z`, `_` and `-`, unique for the agent; generated from the name if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-zA-Z_-]{1,50}$")]
    key: JsonField,
    /// 1 to 1,000 characters. Required, except in requests of the vendor's own SDKs and MCP server.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    name: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: JsonField,
    /// At most 65,536 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    enabled: JsonField,
    /// Minutes without events after which the session ends; 0 means never.
    #[serde(default)]
    #[schema(value_type = Option<i64>, default = 0)]
    tti_minutes: JsonField,
    /// Returned under their names with four asterisks each; the values are not stored.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    secrets: JsonField,
    /// The session to fork.
    #[serde(default)]
    #[schema(value_type = Option<FromSession>)]
    from_session: JsonField,
}

struct ValidatedCreateSession {
    key: Option<SessionKey>,
    name: String,
    description: Option<String>,
    metadata: JsonText,
    enabled: bool,
    tti_minutes: i64,
    secrets: Vec<String>,
}

/// Returns the names of a new session's secrets. Names consist of `[A-Za-z0-9_-]`; values have 1 to 4,096 characters.
fn secrets(given: &JsonField) -> Result<Vec<String>, AgentKeyError> {
    let rejected = || invalid("secrets", "must map names of A-Z, a-z, 0-9, _ and - to texts of 1 to 4096 characters");
    let members: IndexMap<String, JsonField> = match given {
        JsonField::Absent | JsonField::Null => return Ok(Vec::new()),
        JsonField::Object(object) => object.read().map_err(|_| rejected())?,
        _ => return Err(rejected()),
    };
    let is_name = |name: &str| {
        (1..=SECRET_NAME).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let is_value = |value: &JsonField| value.as_str().is_some_and(|text| (1..=4_096).contains(&text.chars().count()));
    if members.len() > SECRETS || !members.iter().all(|(name, value)| is_name(name) && is_value(value)) {
        return Err(rejected());
    }
    Ok(members.into_keys().collect())
}

impl CreateSession {
    /// Validates the body. `source` is the session that this one is forked from; it gives its name to a fork without
    /// one.
    fn validate(self, contract: Contract, source: Option<&Source>) -> Result<ValidatedCreateSession, AgentKeyError> {
        let key = patch::key(&self.key)?;
        let name = match patch::text(self.name, "name", 1..=NAME_LIMIT)?.set() {
            Some(name) => name,
            None if contract == Contract::Observed => {
                source.and_then(|source| source.session.name.clone()).unwrap_or_else(|| UNTITLED.to_owned())
            }
            None => return Err(invalid("name", "is required")),
        };
        let description = patch::text(self.description, "description", 0..=DESCRIPTION_LIMIT)?.set();
        let metadata = patch::metadata(self.metadata)?.set().unwrap_or_else(JsonText::empty_object);
        let enabled = patch::boolean(&self.enabled, "enabled")?.set().unwrap_or(true);
        let tti_minutes = patch::count(&self.tti_minutes, "tti_minutes")?.set().unwrap_or(0);
        let secrets = secrets(&self.secrets)?;
        Ok(ValidatedCreateSession { key, name, description, metadata, enabled, tti_minutes, secrets })
    }
}

/// Returns the agent if it accepts new sessions.
///
/// # Errors
/// [`AgentKeyError::AgentDisabled`] if it does not.
fn check_enabled(agent: Arc<Agent>) -> Result<Arc<Agent>, AgentKeyError> {
    if agent.enabled { Ok(agent) } else { Err(AgentKeyError::AgentDisabled(agent.key.to_string())) }
}

/// Create agent session
///
/// If the agent already has an open session with this `key`, the response is 409, except when the creating request is
/// sent again with its `Idempotency-Key`. Without a `key`, one is generated from the name.
#[utoipa::path(
    post,
    path = "/v2/agents/{agent_key}/sessions",
    params(("agent_key" = String, Path, description = "The agent's key."), IdempotencyKeyHeader),
    request_body = CreateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Session created.", body = AgentSession),
        (status = 403, description = "`forbidden`: the agent is disabled."),
        (status = 409, description = "The key is taken."),
    )
)]
pub async fn create_session(
    caller: Caller<AgentKeyDialect, purpose::WriteSessions>,
    State(configured): State<Contract>,
    State(costly): State<CostlyWork>,
    path: PathOf<AgentKeyDialect, String>,
    headers: HeaderMap,
    request: Idempotent<AgentKeyDialect, CreateSession>,
) -> Response {
    let contract = clients::contract(configured, &headers);
    request
        .respond(caller, move |caller, body| async move { create(caller, &costly, path.0, contract, body).await })
        .await
}

#[tracing::instrument(name = "agent_key.create_session", level = "debug", skip_all)]
async fn create(
    caller: Caller<AgentKeyDialect, purpose::WriteSessions>,
    costly: &CostlyWork,
    agent_key: String,
    contract: Contract,
    body: CreateSession,
) -> Result<Reply<AgentSession>, AgentKeyError> {
    let agent = check_enabled(find::agent(&caller, &agent_key).await?)?;
    let source = match &body.from_session {
        JsonField::Absent | JsonField::Null => None,
        given => Some(fork::source(&caller, costly, &agent, given).await?),
    };
    let values = body.validate(contract, source.as_ref())?;

    let now = caller.now();
    let nonce = caller.mint.uuid();
    let detail = JsonText::of(&AgentKeyDetail {
        tti_minutes: values.tti_minutes,
        secrets: values.secrets.clone(),
        ..AgentKeyDetail::default()
    })
    .map_err(|_| Rejection::Internal)?;
    let session = |id: SessionId, key: &SessionKey| NewSession {
        agent: Some(agent.id),
        enabled: values.enabled,
        name: Some(values.name.clone()),
        description: values.description.clone(),
        metadata: Some(values.metadata.clone()),
        detail: detail.clone(),
        // A fork is created as expired, and opened together with its events.
        expires_at: if source.is_some() { Some(now) } else { expires_at(now, values.tti_minutes) },
        ..NewSession::of(DialectName::AgentKey, id, key.to_string(), now, nonce)
    };
    let candidates: Vec<SessionKey> = match &values.key {
        Some(key) => vec![key.clone()],
        None => keys::candidates(Kind::Session, &values.name, &caller.mint),
    };
    for key in &candidates {
        let Some(mut made) = keyed::create(&caller, &agent, key, |id| session(id, key)).await? else { continue };
        if let Some(source) = source {
            made = source.open_fork(&caller, made, expires_at(now, values.tti_minutes)).await?;
        }
        return Ok(Reply(StatusCode::CREATED, AgentSession::new(made, agent.key.clone(), now)));
    }
    // Only a key that the client chose gets here, because the last generated key has 48 random bits.
    Err(AgentKeyError::SessionKeyTaken(candidates.last().map(ToString::to_string).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, AgentNumber, Timestamp};

    #[test]
    fn only_an_enabled_agent_accepts_sessions() {
        let agent = |enabled| {
            Arc::new(Agent {
                id: AgentId(uuid::Uuid::nil()),
                key: "support".parse().unwrap(),
                number: AgentNumber::new(1).unwrap(),
                name: "Support".to_owned(),
                description: None,
                enabled,
                language: "en".to_owned(),
                avatar_number: None,
                avatar: None,
                responder: None,
                settings: JsonText::empty_object(),
                created_at: Timestamp::UNIX_EPOCH,
                updated_at: Timestamp::UNIX_EPOCH,
            })
        };
        assert_eq!(check_enabled(agent(true)), Ok(agent(true)));
        assert_eq!(check_enabled(agent(false)), Err(AgentKeyError::AgentDisabled("support".to_owned())));
    }
}
