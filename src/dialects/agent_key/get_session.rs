//! `GET /v2/agents/{agent_key}/sessions/{session_key}` (apis/agent_key, section 1).

use http::StatusCode;

use super::error::Envelope;
use super::session::AgentSession;
use super::{AgentKeyDialect, AgentKeyError};
use crate::auth::{Caller, purpose};
use crate::domain::session::State;
use crate::domain::{AgentKey, AgentRef, DialectName, SessionId, SessionKey};
use crate::http::{PathOf, Reply};

/// Get agent session
#[utoipa::path(
    get,
    path = "/v2/agents/{agent_key}/sessions/{session_key}",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The session.", body = AgentSession),
        (status = 401, description = "`unauthorized`.", body = Envelope),
        (status = 404, description = "No such agent, or no such session of it.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agent_key.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<AgentKeyDialect, purpose::ReadSessions>,
    path: PathOf<AgentKeyDialect, (String, String)>,
) -> Result<Reply<AgentSession>, AgentKeyError> {
    let (agent_key, session_key) = &path.0;
    let agent_not_found = || AgentKeyError::AgentNotFound(agent_key.clone());
    let session_not_found = || AgentKeyError::SessionNotFound(session_key.clone());

    let key: AgentKey = agent_key.parse().map_err(|_| agent_not_found())?;
    let agent = caller.store.agents().find(&AgentRef::Key(key)).await?.ok_or_else(agent_not_found)?;
    let key: SessionKey = session_key.parse().map_err(|_| session_not_found())?;
    let now = caller.now();
    let session = caller
        .store
        .sessions()
        .find(DialectName::AgentKey, SessionId::from_key(agent.id, &key))
        .await?
        .filter(|session| session.state_at(now) == State::Open)
        .ok_or_else(session_not_found)?;
    Ok(Reply(StatusCode::OK, AgentSession::new(session, agent.key.clone())))
}
