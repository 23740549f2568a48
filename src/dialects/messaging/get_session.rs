//! `GET /api/messaging/sessions/{sessionId}` (apis/messaging, sections 1 and 4).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::Envelope;
use super::session::{self, Detail};
use super::timeouts::TimeoutConfig;
use super::{Messaging, MessagingError};
use crate::auth::{Caller, purpose};
use crate::dialects::wire::Milliseconds;
use crate::domain::{AgentId, JsonText, Session, SessionId, Timestamp, expiry};
use crate::http::{PathOf, Refusal, Reply};

/// A session and where it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    channel_id: Uuid,
    #[schema(value_type = Uuid)]
    agent_id: Option<AgentId>,
    #[schema(value_type = Uuid)]
    user_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = String, format = DateTime)]
    last_activity: Milliseconds,
    #[schema(value_type = Object)]
    metadata: JsonText,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Milliseconds,
    timeout_config: TimeoutConfig,
    renewal_count: u64,
    /// Milliseconds.
    time_remaining: i64,
    is_near_expiration: bool,
}

impl SessionInfo {
    pub(super) fn new(session: Session, now: Timestamp) -> Result<Self, MessagingError> {
        let detail: Detail = session.detail.read().map_err(|_| Refusal::Internal)?;
        let expires_at = session.expires_at.ok_or(Refusal::Internal)?;
        let time_remaining = expiry::remaining(expires_at, now);
        Ok(Self {
            session_id: session.id,
            channel_id: detail.channel_id,
            agent_id: session.agent,
            user_id: session.user_id,
            created_at: Milliseconds(session.created_at),
            last_activity: Milliseconds(detail.last_activity),
            metadata: session.metadata.unwrap_or_else(JsonText::empty_object),
            expires_at: Milliseconds(expires_at),
            renewal_count: detail.renewal_count,
            time_remaining,
            is_near_expiration: detail.timeout_config.timeouts().is_near_expiration(time_remaining),
            timeout_config: detail.timeout_config,
        })
    }
}

/// Get session
///
/// Reading a session does not renew it. An expired one is 410 once and 404 from then on.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions/{sessionId}",
    params(("sessionId" = String, Path, description = "The session's id.")),
    security(("api_key" = []), ("bearer" = []), ()),
    responses(
        (status = 200, description = "The session.", body = SessionInfo),
        (status = 401, description = "No credential, or none that holds."),
        (status = 404, description = "No such session in this organization.", body = Envelope),
        (status = 410, description = "The session has expired.", body = Envelope),
    )
)]
#[tracing::instrument(name = "messaging.get_session", level = "debug", skip_all)]
pub async fn get_session(
    caller: Caller<Messaging, purpose::ReadSessions>,
    path: PathOf<Messaging, String>,
) -> Result<Reply<SessionInfo>, MessagingError> {
    let now = caller.now();
    let session = session::find(&caller.store, &path.0, now).await?;
    Ok(Reply(StatusCode::OK, SessionInfo::new(session, now)?))
}
