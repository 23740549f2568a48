//! `GET /api/v1/sessions/{session_id}` (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::sessions::session::{self, AvatarMembers, Metadata, NumberedSession, Status};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::time::Seconds;
use crate::http::{PathOf, Reply};

#[derive(Serialize, ToSchema)]
pub struct Found {
    success: bool,
    session: FoundSession,
}

#[derive(Serialize, ToSchema)]
struct FoundSession {
    #[schema(example = 456)]
    session_id: i64,
    #[schema(example = 123)]
    agent_id: i64,
    #[schema(example = "agent_voice")]
    session_type: Option<String>,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    started_at: Seconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Seconds>,
    /// In seconds.
    duration: Option<i64>,
    transcript: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    agent_name: String,
    #[schema(example = "en")]
    language: String,
    #[serde(flatten)]
    avatar: AvatarMembers,
}

/// Get session
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}",
    params(("session_id" = i64, Path, description = "The session's integer id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The session.", body = Found),
    )
)]
#[tracing::instrument(name = "integer_id.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<IntegerId, purpose::ReadSessions>,
    path: PathOf<IntegerId, String>,
) -> Result<Reply<Found>, IntegerIdError> {
    let numbered = session::find(&caller, &path.0).await?;
    let transcript = numbered.transcript(&caller).await?;
    let NumberedSession { number, session, detail } = numbered;
    let status = Status::of(&session, caller.now());
    Ok(Reply(
        StatusCode::OK,
        Found {
            success: true,
            session: FoundSession {
                session_id: number,
                agent_id: detail.agent_id,
                session_type: session.kind,
                status,
                started_at: Seconds(session.created_at),
                ended_at: session.ended_at.map(Seconds),
                duration: detail.duration,
                transcript,
                metadata: session.metadata,
                created_at: Seconds(session.created_at),
                agent_name: detail.agent_name,
                language: detail.language,
                avatar: detail.avatar.into(),
            },
        },
    ))
}
