//! The wire type of a session and its current expiry.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dialects::messaging::sessions::session::OpenSession;
use crate::dialects::messaging::sessions::timeouts::TimeoutConfig;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{AgentId, JsonText, SessionId, Timestamp, expiry};

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
    /// In milliseconds.
    time_remaining: i64,
    is_near_expiration: bool,
}

impl SessionInfo {
    pub(in crate::dialects::messaging) fn new(open: OpenSession, now: Timestamp) -> Self {
        let OpenSession { session, detail, lifetime } = open;
        let time_remaining = expiry::remaining(lifetime.expires_at, now);
        Self {
            session_id: session.id,
            channel_id: detail.channel_id,
            agent_id: session.agent,
            user_id: session.user_id,
            created_at: Milliseconds(session.created_at),
            last_activity: Milliseconds(lifetime.last_activity),
            metadata: session.metadata.unwrap_or_else(JsonText::empty_object),
            expires_at: Milliseconds(lifetime.expires_at),
            renewal_count: lifetime.renewals,
            time_remaining,
            is_near_expiration: detail.timeout_config.timeouts().is_near_expiration(time_remaining),
            timeout_config: detail.timeout_config,
        }
    }
}
