//! A session as Vectara writes it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::wire::Milliseconds;
use crate::domain::{AgentKey, JsonText, Session};

/// A session of an agent.
#[derive(Serialize, ToSchema)]
pub struct AgentSession {
    #[schema(example = "support_session_12345")]
    key: String,
    #[schema(example = "customer_support", value_type = String)]
    agent_key: AgentKey,
    #[schema(example = "Customer support")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[schema(value_type = Object)]
    metadata: JsonText,
    enabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    /// Minutes without events until the session ends by itself; absent when it never does.
    #[serde(skip_serializing_if = "is_zero")]
    tti_minutes: i64,
}

fn is_zero(minutes: &i64) -> bool {
    *minutes == 0
}

/// What of a session only this dialect understands.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Detail {
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tti_minutes: i64,
}

impl AgentSession {
    pub(super) fn new(session: Session, agent_key: AgentKey) -> Self {
        let detail: Detail = session.detail.read().unwrap_or_default();
        Self {
            key: session.public_id,
            agent_key,
            name: session.name.unwrap_or_default(),
            description: session.description,
            metadata: session.metadata.unwrap_or_else(JsonText::empty_object),
            enabled: session.enabled,
            created_at: Milliseconds(session.created_at),
            tti_minutes: detail.tti_minutes,
        }
    }
}
