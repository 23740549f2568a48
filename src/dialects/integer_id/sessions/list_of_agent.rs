//! `GET /api/v1/agents/{agent_id}/sessions` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::agents::agent;
use crate::dialects::integer_id::sessions::list::MAX_SESSIONS;
use crate::dialects::integer_id::sessions::session::{self, Metadata, NumberedSession, Status};
use crate::dialects::integer_id::{IntegerId, IntegerIdError, query};
use crate::dialects::shared::time::Seconds;
use crate::domain::{DialectName, Timestamp};
use crate::http::{PathOf, QueryPairs, Reply};
use crate::store::SessionQuery;

#[derive(Serialize, ToSchema)]
pub struct AgentSessions {
    success: bool,
    /// Newest first. If there are more than 1,000 sessions or 4 MiB, only the newest.
    sessions: Vec<AgentSession>,
    /// The value of the query parameter `cursor` that continues the list. Present if there may be older sessions. An
    /// extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AgentSession {
    #[schema(example = 456)]
    id: i64,
    /// The same as `id`.
    #[schema(example = 456)]
    session_id: i64,
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "voice")]
    call_type: Option<String>,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    started_at: Seconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Seconds>,
    /// In seconds.
    duration: Option<i64>,
    #[schema(value_type = Option<Object>)]
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
}

impl AgentSession {
    fn new(numbered: NumberedSession, now: Timestamp) -> Self {
        let NumberedSession { number, session, detail } = numbered;
        Self {
            id: number,
            session_id: number,
            agent_id: detail.agent_id,
            status: Status::of(&session, now),
            call_type: session.kind.map(call_type),
            started_at: Seconds(session.created_at),
            ended_at: session.ended_at.map(Seconds),
            duration: detail.duration,
            metadata: session.metadata,
            created_at: Seconds(session.created_at),
        }
    }
}

/// Returns the older name of a session's type: voice, video or chat.
fn call_type(session_type: String) -> String {
    match session_type.strip_prefix("agent_") {
        Some(short) => short.to_owned(),
        None if session_type == "webrtc_video" => "video".to_owned(),
        None => session_type,
    }
}

/// List an agent's sessions
#[utoipa::path(
    get,
    path = "/api/v1/agents/{agent_id}/sessions",
    params(
        ("agent_id" = i64, Path, description = "The agent's integer id."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of an earlier response."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", body = AgentSessions),
    )
)]
#[tracing::instrument(name = "integer_id.agent_sessions", level = "debug", skip_all)]
pub async fn agent_sessions(
    caller: Caller<IntegerId, purpose::ReadSessions>,
    path: PathOf<IntegerId, String>,
    pairs: QueryPairs,
) -> Result<Reply<AgentSessions>, IntegerIdError> {
    let name = agent::named(&path.0, IntegerIdError::AgentNotFound)?;
    let agent = caller.store.agents().find(&name).await?.ok_or(IntegerIdError::AgentNotFound)?;
    let now = caller.now();
    let query = SessionQuery {
        agent: Some(agent.id),
        after: query::cursor(&pairs)?,
        ..SessionQuery::newest(DialectName::IntegerId, now, MAX_SESSIONS)
    };
    let (found, next_cursor) = session::page(&caller, &query).await?;
    let sessions = found.into_iter().map(|numbered| AgentSession::new(numbered, now)).collect();
    Ok(Reply(StatusCode::OK, AgentSessions { success: true, sessions, next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::call_type;

    #[test]
    fn every_type_has_a_short_name() {
        for (long, short) in [
            ("agent_voice", "voice"),
            ("agent_video", "video"),
            ("agent_chat", "chat"),
            ("webrtc_video", "video"),
            ("voice", "voice"),
            ("video", "video"),
            ("chat", "chat"),
        ] {
            assert_eq!(call_type(long.to_owned()), short);
        }
    }
}
