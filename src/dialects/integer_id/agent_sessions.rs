//! `GET /api/v1/agents/{agent_id}/sessions` (apis/integer_id, section 3.5).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Envelope;
use super::list_sessions::MOST;
use super::session::{Known, Metadata, Status};
use super::{IntegerId, IntegerIdError, query};
use crate::auth::{Caller, purpose};
use crate::dialects::cursor;
use crate::dialects::wire::Seconds;
use crate::domain::{AgentNumber, AgentRef, DialectName, Timestamp};
use crate::http::{PathOf, QueryPairs, Refusal, Reply};
use crate::store::SessionQuery;

#[derive(Serialize, ToSchema)]
pub struct AgentSessions {
    success: bool,
    /// Newest first; of more than 1,000 the newest.
    sessions: Vec<AgentSession>,
    /// For the query parameter `cursor`, where there may be older ones. An extension.
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
    /// Seconds.
    duration: Option<i64>,
    #[schema(value_type = Option<Object>)]
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
}

impl AgentSession {
    fn new(known: Known, now: Timestamp) -> Self {
        let Known { number, session, detail } = known;
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

/// The older word for a session's type: voice, video or chat.
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
        ("cursor" = Option<String>, Query, description = "`next_cursor` of an earlier answer."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", body = AgentSessions),
        (status = 400, description = "The cursor is none of ours.", body = Envelope),
        (status = 401, description = "No credential, or none that holds.", body = Envelope),
        (status = 404, description = "No such agent in this organization.", body = Envelope),
        (status = 429, description = "Too many requests.", body = Envelope),
    )
)]
#[tracing::instrument(name = "integer_id.agent_sessions", level = "debug", skip_all)]
pub async fn agent_sessions(
    caller: Caller<IntegerId, purpose::ReadSessions>,
    path: PathOf<IntegerId, String>,
    pairs: QueryPairs,
) -> Result<Reply<AgentSessions>, IntegerIdError> {
    let unknown = || IntegerIdError::AgentNotFound;
    let number: AgentNumber = path.0.parse().map_err(|_| unknown())?;
    let agent = caller.store.agents().find(&AgentRef::Number(number)).await?.ok_or_else(unknown)?;
    let now = caller.now();
    let wanted = SessionQuery {
        agent: Some(agent.id),
        behind: query::cursor(&pairs)?,
        ..SessionQuery::newest(DialectName::IntegerId, now, MOST)
    };
    let page = caller.store.sessions().list(&wanted).await?;
    let next_cursor = page.next().map(|(at, id)| cursor::write((at, id.0)));
    let sessions: Result<_, Refusal> =
        page.sessions.into_iter().map(|session| Ok(AgentSession::new(session.try_into()?, now))).collect();
    Ok(Reply(StatusCode::OK, AgentSessions { success: true, sessions: sessions?, next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::call_type;

    #[test]
    fn long_and_short_words_meet() {
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
