//! The wire type of an agent.

use serde::Serialize;
use utoipa::ToSchema;

use super::responder::{Shown, WireResponder};
use crate::auth::Caller;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Agent, AgentId, Scope};

/// An agent.
#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
pub struct WireAgent {
    #[schema(value_type = uuid::Uuid)]
    id: AgentId,
    /// Its id in the dialect `integer_id`.
    #[schema(example = 123)]
    number: i64,
    /// Its id in the dialect `agent_key`.
    #[schema(example = "customer_support")]
    key: String,
    name: String,
    description: Option<String>,
    responder: WireResponder,
    /// Whether it accepts messages.
    enabled: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Milliseconds,
}

impl WireAgent {
    pub(super) fn new<P>(agent: &Agent, caller: &Caller<Sessionary, P>) -> Self {
        let shown =
            Shown { is_default: agent.responder.is_none(), to_writer: caller.principal.scopes.has(Scope::AgentsWrite) };
        Self {
            id: agent.id,
            number: agent.number.get(),
            key: agent.key.to_string(),
            name: agent.name.clone(),
            description: agent.description.clone(),
            responder: WireResponder::new(agent.responder_or(&caller.principal.organization.responder), shown),
            enabled: agent.enabled,
            created_at: Milliseconds(agent.created_at),
            updated_at: Milliseconds(agent.updated_at),
        }
    }
}

/// Characters of a name and of a description.
pub(super) const NAME: std::ops::RangeInclusive<usize> = 1..=200;
pub(super) const DESCRIPTION: std::ops::RangeInclusive<usize> = 0..=10_000;

pub(super) const MISSING: SessionaryError = SessionaryError::NotFound("agent");

/// Returns the id that a path names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id.
pub(super) fn id_of(text: &str) -> Result<AgentId, SessionaryError> {
    text.parse().map_err(|_| MISSING)
}
