//! The wire type of a session.

use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::dialects::sessionary::session_ref::SessionRef;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::session::State;
use crate::domain::{Agent, AgentId, AgentRef, DialectName, JsonText, Session, Timestamp};

/// A session of any dialect.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct WireSession {
    #[schema(example = "agntix_019d1f0bd80070008000000000000001")]
    id: String,
    #[schema(value_type = String, example = "agntix")]
    dialect: &'static str,
    /// The session's id in its dialect.
    #[schema(example = "ses_01j3m8xkqp8v2nw4f7g9hk0r00")]
    vendor_id: String,
    /// The path at which its dialect returns it; `null` if it has none.
    #[schema(example = "/v1/chat/chat/sessions/ses_01j3m8xkqp8v2nw4f7g9hk0r00")]
    vendor_path: Option<String>,
    #[schema(value_type = Option<uuid::Uuid>)]
    agent_id: Option<AgentId>,
    /// The dialect's word for how the session came about.
    kind: Option<String>,
    name: Option<String>,
    description: Option<String>,
    state: WireState,
    /// Whether it accepts messages while it is open.
    enabled: bool,
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonText>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Milliseconds,
    /// When it expires unless it is used; `null` if it does not expire.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Milliseconds>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Milliseconds>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WireState {
    Open,
    Expired,
    Ended,
}

impl From<State> for WireState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Expired => Self::Expired,
            State::Ended => Self::Ended,
        }
    }
}

impl WireSession {
    /// `agent` is needed for the path of a session of the `agent_key` dialect only.
    pub(in crate::dialects::sessionary) fn new(session: Session, agent: Option<&Agent>, now: Timestamp) -> Self {
        Self {
            id: SessionRef::from(&session).to_string(),
            dialect: session.dialect.as_str(),
            vendor_path: vendor_path(&session, agent),
            state: session.state_at(now).into(),
            vendor_id: session.public_id,
            agent_id: session.agent,
            kind: session.kind,
            name: session.name,
            description: session.description,
            enabled: session.enabled,
            metadata: session.metadata,
            created_at: Milliseconds(session.created_at),
            updated_at: Milliseconds(session.updated_at),
            expires_at: session.expires_at.map(Milliseconds),
            ended_at: session.ended_at.map(Milliseconds),
        }
    }
}

/// Returns the path at which the session's dialect returns it.
fn vendor_path(session: &Session, agent: Option<&Agent>) -> Option<String> {
    let id = &session.public_id;
    match session.dialect {
        // This dialect has no path of one session.
        DialectName::Agnost => None,
        DialectName::Agntix => Some(format!("/v1/chat/chat/sessions/{id}")),
        DialectName::AgentKey => agent.map(|agent| format!("/v2/agents/{}/sessions/{id}", agent.key)),
        DialectName::Messaging => Some(format!("/api/messaging/sessions/{id}")),
        DialectName::IntegerId => Some(format!("/api/v1/sessions/{id}")),
    }
}

/// Returns the session that a path names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id, or the organization has no such session.
pub(in crate::dialects::sessionary) async fn find<P>(
    caller: &Caller<Sessionary, P>,
    text: &str,
) -> Result<Session, SessionaryError> {
    let missing = || SessionaryError::NotFound("session");
    let SessionRef { dialect, id } = text.parse().map_err(|_| missing())?;
    caller.store.sessions().find(dialect, id).await?.ok_or_else(missing)
}

/// Returns a session as it is shown.
///
/// # Errors
/// [`SessionaryError::Rejected`] when the database cannot be reached.
pub(in crate::dialects::sessionary) async fn shown<P>(
    caller: &Caller<Sessionary, P>,
    session: Session,
) -> Result<WireSession, SessionaryError> {
    let agent = match session.agent.filter(|_| session.dialect == DialectName::AgentKey) {
        Some(agent) => caller.store.agents().find(&AgentRef::Id(agent)).await?,
        None => None,
    };
    Ok(WireSession::new(session, agent.as_deref(), caller.now()))
}
