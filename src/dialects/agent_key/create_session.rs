//! `POST /v2/agents/{agent_key}/sessions` (brief/agent_key; apis/agent_key, sections 2 to 4).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::TimeDelta;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::error::Envelope;
use super::session::{AgentSession, Detail};
use super::session_key::{self, DIGITS};
use super::{AgentKeyDialect, AgentKeyError};
use crate::auth::{Caller, purpose};
use crate::domain::{
    Agent, AgentKey, AgentRef, Contract, DialectName, Given, JsonText, NewSession, Session, SessionId, SessionKey,
    Timestamp,
};
use crate::http::{PathOf, Refusal, Reply};
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::Created;

/// UTF-16 code units of the metadata's compact form; the vendor documents no limit.
const METADATA_LIMIT: usize = 65_536;
/// Characters; the vendor documents no limit.
const NAME_LIMIT: usize = 1_000;
/// What a session is called whose caller gave it no name, as the vendor's SDK may.
const UNTITLED: &str = "Untitled session";

#[derive(Deserialize, ToSchema)]
pub struct CreateSession {
    /// 1 to 50 characters of `0-9`, `a-z`, `A-Z`, `_` and `-`, unique under the agent; made from the name when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-zA-Z_-]{1,50}$")]
    key: Given,
    /// Required, except of the vendor's own SDK; 1 to 1,000 characters.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    name: Given,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Given,
    /// At most 65,536 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Given,
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    enabled: Given,
    /// Minutes without events until the session ends by itself; 0 is never.
    #[serde(default)]
    #[schema(value_type = Option<i64>, default = 0)]
    tti_minutes: Given,
    #[serde(default)]
    #[schema(ignore)]
    from_session: Given,
}

struct Wanted {
    key: Option<SessionKey>,
    name: String,
    description: Option<String>,
    metadata: JsonText,
    enabled: bool,
    tti_minutes: i64,
}

fn invalid(field: &'static str, message: &str) -> AgentKeyError {
    AgentKeyError::InvalidField { field, message: message.to_owned() }
}

/// Which contract a request is held to: the SDK's generator names itself in every request.
fn contract(configured: Contract, headers: &HeaderMap) -> Contract {
    if headers.contains_key("x-fern-sdk-name") { Contract::Observed } else { configured }
}

impl CreateSession {
    fn validate(self, contract: Contract) -> Result<Wanted, AgentKeyError> {
        if !self.from_session.is_missing() {
            return Err(invalid("from_session", "sessions cannot be forked here yet"));
        }
        let key = match self.key {
            Given::Absent | Given::Null => None,
            given => Some(
                given
                    .as_str()
                    .and_then(|key| key.parse().ok())
                    .ok_or_else(|| invalid("key", "must be 1 to 50 characters of 0-9, a-z, A-Z, _ and -"))?,
            ),
        };
        let name = match self.name {
            Given::Absent | Given::Null if contract == Contract::Observed => UNTITLED.to_owned(),
            Given::Absent | Given::Null => return Err(invalid("name", "is required")),
            Given::String(name) if (1..=NAME_LIMIT).contains(&name.chars().count()) => name,
            _ => return Err(invalid("name", "must be a string of 1 to 1000 characters")),
        };
        let description = match self.description {
            Given::Absent | Given::Null => None,
            Given::String(description) => Some(description),
            _ => return Err(invalid("description", "must be a string")),
        };
        let metadata = match self.metadata {
            Given::Absent | Given::Null => JsonText::empty_object(),
            Given::Object(object) if object.utf16_len() <= METADATA_LIMIT => object,
            Given::Object(_) => {
                return Err(AgentKeyError::InvalidMetadata("must not exceed 65536 characters".to_owned()));
            }
            _ => return Err(AgentKeyError::InvalidMetadata("must be an object".to_owned())),
        };
        let enabled = match self.enabled {
            Given::Absent | Given::Null => true,
            Given::Bool(enabled) => enabled,
            _ => return Err(invalid("enabled", "must be a boolean")),
        };
        let tti_minutes = match self.tti_minutes {
            Given::Absent | Given::Null => 0,
            given => given
                .as_i64()
                .filter(|minutes| *minutes >= 0)
                .ok_or_else(|| invalid("tti_minutes", "must be an integer of 0 or more"))?,
        };
        Ok(Wanted { key, name, description, metadata, enabled, tti_minutes })
    }
}

/// The agent that was looked for, if it is there and takes new sessions.
fn taking_sessions(found: Option<Arc<Agent>>, key: &str) -> Result<Arc<Agent>, AgentKeyError> {
    match found {
        Some(agent) if agent.enabled => Ok(agent),
        Some(_) => Err(AgentKeyError::AgentDisabled(key.to_owned())),
        None => Err(AgentKeyError::AgentNotFound(key.to_owned())),
    }
}

/// When a session ends that is idle for so many minutes; a time past the calendar's end is never.
fn expires_at(now: Timestamp, tti_minutes: i64) -> Option<Timestamp> {
    let last = Timestamp::from_timestamp_millis(253_402_300_799_999)?;
    let idle = TimeDelta::try_minutes(tti_minutes).filter(|idle| !idle.is_zero())?;
    now.checked_add_signed(idle).filter(|end| *end <= last)
}

/// Create agent session
///
/// A `key` that the agent has a session under already is 409, except to the request that made it, sent again under its
/// `Idempotency-Key`. Without a `key`, one is made from the name.
#[utoipa::path(
    post,
    path = "/v2/agents/{agent_key}/sessions",
    params(("agent_key" = String, Path, description = "The agent's key."), IdempotencyKeyHeader),
    request_body = CreateSession,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Session created.", body = AgentSession),
        (status = 400, description = "`invalid_request` or `invalid_metadata`.", body = Envelope),
        (status = 401, description = "`unauthorized`.", body = Envelope),
        (status = 403, description = "`forbidden`: a missing scope, or a disabled agent.", body = Envelope),
        (status = 404, description = "`agent_not_found`.", body = Envelope),
        (status = 409, description = "The key is taken, or a request with the same `Idempotency-Key` is still running.", body = Envelope),
        (status = 422, description = "The `Idempotency-Key` belongs to a request with another body.", body = Envelope),
        (status = 429, description = "`rate_limit_exceeded`.", body = Envelope),
    )
)]
pub async fn create_session(
    caller: Caller<AgentKeyDialect, purpose::WriteSessions>,
    State(configured): State<Contract>,
    path: PathOf<AgentKeyDialect, String>,
    headers: HeaderMap,
    request: Idempotent<AgentKeyDialect, CreateSession>,
) -> Response {
    let contract = contract(configured, &headers);
    request.answer(caller, move |caller, body| create(caller, path.0, contract, body)).await
}

#[tracing::instrument(name = "agent_key.create_session", level = "debug", skip_all)]
async fn create(
    caller: Caller<AgentKeyDialect, purpose::WriteSessions>,
    agent_key: String,
    contract: Contract,
    body: CreateSession,
) -> Result<Reply<AgentSession>, AgentKeyError> {
    let agent_not_found = || AgentKeyError::AgentNotFound(agent_key.clone());
    let wanted = body.validate(contract)?;
    let key: AgentKey = agent_key.parse().map_err(|_| agent_not_found())?;
    let agent = taking_sessions(caller.store.agents().find(&AgentRef::Key(key)).await?, &agent_key)?;

    let now = caller.now();
    let nonce = caller.mint.uuid();
    let detail = JsonText::of(&Detail { tti_minutes: wanted.tti_minutes }).map_err(|_| Refusal::Internal)?;
    let session = |agent: &Agent, key: &SessionKey| NewSession {
        dialect: DialectName::AgentKey,
        id: SessionId::from_key(agent.id, key),
        agent: Some(agent.id),
        public_id: key.to_string(),
        enabled: wanted.enabled,
        kind: None,
        user_id: None,
        name: Some(wanted.name.clone()),
        description: wanted.description.clone(),
        metadata: Some(wanted.metadata.clone()),
        detail: detail.clone(),
        created_at: now,
        expires_at: expires_at(now, wanted.tti_minutes),
        nonce,
    };
    let candidates: Vec<SessionKey> = match &wanted.key {
        Some(key) => vec![key.clone()],
        None => DIGITS.iter().filter_map(|digits| session_key::generate(&wanted.name, *digits, &caller.mint)).collect(),
    };
    for key in &candidates {
        let new = session(&agent, key);
        match caller.store.sessions().create(new.clone()).await? {
            Created::New | Created::Recovered(_) => {
                let session = AgentSession::new(Session::from(new), agent.key.clone());
                return Ok(Reply(StatusCode::CREATED, session));
            }
            Created::NoSuchAgent => return Err(agent_not_found()),
            Created::Existing(_) => {}
        }
    }
    // A key that the caller chose; of those made up, the last has 48 random bits.
    Err(AgentKeyError::SessionKeyTaken(candidates.last().map(ToString::to_string).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, AgentNumber};
    use http::HeaderValue;

    #[test]
    fn only_an_enabled_agent_takes_sessions() {
        let agent = |enabled| {
            Some(Arc::new(Agent {
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
            }))
        };
        assert_eq!(taking_sessions(agent(true), "support"), Ok(agent(true).unwrap()));
        assert_eq!(taking_sessions(agent(false), "support"), Err(AgentKeyError::AgentDisabled("support".to_owned())));
        assert_eq!(taking_sessions(None, "support"), Err(AgentKeyError::AgentNotFound("support".to_owned())));
    }

    #[test]
    fn the_vendors_sdk_is_recognised() {
        let mut headers = HeaderMap::new();
        assert_eq!(contract(Contract::Documented, &headers), Contract::Documented);
        assert_eq!(contract(Contract::Observed, &headers), Contract::Observed);
        // vectara 0.4.3 (Python)
        headers.insert("X-Fern-SDK-Name", HeaderValue::from_static("vectara"));
        assert_eq!(contract(Contract::Documented, &headers), Contract::Observed);
    }

    #[test]
    fn idleness_past_the_calendar_is_never() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(expires_at(now, 0), None);
        assert_eq!(expires_at(now, i64::MAX), None);
        assert_eq!(expires_at(now, 5_000_000_000), None);
        assert_eq!(expires_at(now, 2).unwrap().timestamp(), 120);
    }
}
