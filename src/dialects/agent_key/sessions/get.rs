//! `GET /v2/agents/{agent_key}/sessions/{session_key}` (docs/dialects/agent-key.md).

use http::StatusCode;

use super::session::AgentSession;
use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::find::{self, FoundSession};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
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
    )
)]
#[tracing::instrument(name = "agent_key.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<AgentKeyDialect, purpose::ReadSessions>,
    path: PathOf<AgentKeyDialect, (String, String)>,
) -> Result<Reply<AgentSession>, AgentKeyError> {
    let FoundSession { agent, session } = find::session(&caller, &path.0).await?;
    Ok(Reply(StatusCode::OK, AgentSession::new(session, agent.key.clone(), caller.now())))
}
