//! `DELETE /v2/agents/{agent_key}/sessions/{session_key}` (docs/dialects/agent-key.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agent_key::find::{self, FoundSession};
use crate::dialects::agent_key::{AgentKeyDialect, AgentKeyError};
use crate::domain::session::State;
use crate::domain::{DialectName, Session};
use crate::http::PathOf;

/// Delete agent session
///
/// Deletes the session with its events and frees its key. They can no longer be read at once, and are deleted from the
/// database within a minute; the session's ids and times remain. Responses that were stored for an `Idempotency-Key`
/// are deleted within 24 hours and 10 minutes of their request.
#[utoipa::path(
    delete,
    path = "/v2/agents/{agent_key}/sessions/{session_key}",
    params(
        ("agent_key" = String, Path, description = "The agent's key."),
        ("session_key" = String, Path, description = "The session's key."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The session was deleted."),
    )
)]
#[tracing::instrument(name = "agent_key.delete_session", level = "debug", skip_all)]
pub async fn delete_session(
    caller: Caller<AgentKeyDialect, purpose::WriteSessions>,
    path: PathOf<AgentKeyDialect, (String, String)>,
) -> Result<StatusCode, AgentKeyError> {
    let session_not_found = || AgentKeyError::SessionNotFound(path.0.1.clone());
    let FoundSession { session, .. } = find::session(&caller, &path.0).await?;
    let now = caller.now();
    let rule = move |session: &mut Session| {
        let is_open = session.state_at(now) == State::Open;
        if is_open {
            session.erase(now);
        }
        is_open
    };
    caller
        .store
        .sessions()
        .change((DialectName::AgentKey, session.id), caller.mint.uuid())
        .apply(rule)
        .await?
        .filter(|changed| changed.outcome != Some(false))
        .ok_or_else(session_not_found)?;
    Ok(StatusCode::NO_CONTENT)
}
