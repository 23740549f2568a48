//! The wire type of a session.

use std::collections::HashSet;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::session_ref::SessionRef;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::session::State;
use crate::domain::{AgentId, AgentRef, DialectName, JsonText, Session, SessionId, Timestamp};
use crate::store::{StoreError, TenantStore};

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
    /// The id under which its dialect stores the user, if it does.
    user_id: Option<String>,
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
    /// `agent_key` is needed for the path of a session of the `agent_key` dialect only.
    pub(in crate::dialects::sessionary) fn new(session: Session, agent_key: Option<&str>, now: Timestamp) -> Self {
        Self {
            id: SessionRef::from(&session).to_string(),
            dialect: session.dialect.as_str(),
            vendor_path: vendor_path(&session, agent_key),
            state: session.state_at(now).into(),
            vendor_id: session.public_id,
            agent_id: session.agent,
            user_id: session.user_id,
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
fn vendor_path(session: &Session, agent_key: Option<&str>) -> Option<String> {
    let id = &session.public_id;
    match session.dialect {
        // This dialect has no path of one session.
        DialectName::Agnost => None,
        DialectName::Agntix => Some(format!("/v1/chat/chat/sessions/{id}")),
        DialectName::AgentKey => agent_key.map(|key| format!("/v2/agents/{key}/sessions/{id}")),
        DialectName::Messaging => Some(format!("/api/messaging/sessions/{id}")),
        DialectName::IntegerId => Some(format!("/api/v1/sessions/{id}")),
    }
}

/// Returns whether a session's row is only there so that its id is not used again.
pub(in crate::dialects::sessionary) fn is_deleted(session: &Session) -> bool {
    session.ended_at.is_some() && session.dialect.deletes_what_ends()
}

/// Returns the key of a session that a path or an argument names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id.
pub(in crate::dialects::sessionary) fn key_of(text: &str) -> Result<(DialectName, SessionId), SessionaryError> {
    let SessionRef { dialect, id } = text.parse().map_err(|_| MISSING)?;
    Ok((dialect, id))
}

/// There is no such session in the organization.
pub(in crate::dialects::sessionary) const MISSING: SessionaryError = SessionaryError::NotFound("session");

/// Returns the session that a path or an argument names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id, or the organization has no such session.
pub(in crate::dialects::sessionary) async fn find(store: &TenantStore, text: &str) -> Result<Session, SessionaryError> {
    let (dialect, id) = key_of(text)?;
    let session = store.sessions().find(dialect, id).await?;
    session.filter(|session| !is_deleted(session)).ok_or(MISSING)
}

/// Returns the key of the agent of a session of the `agent_key` dialect.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached.
pub(in crate::dialects::sessionary) async fn agent_key(
    store: &TenantStore,
    session: &Session,
) -> Result<Option<String>, StoreError> {
    let Some(agent) = session.agent.filter(|_| session.dialect == DialectName::AgentKey) else { return Ok(None) };
    Ok(store.agents().find(&AgentRef::Id(agent)).await?.map(|agent| agent.key.to_string()))
}

/// Returns sessions as they are shown.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached.
pub(in crate::dialects::sessionary) async fn all_shown(
    store: &TenantStore,
    sessions: Vec<Session>,
    now: Timestamp,
) -> Result<Vec<WireSession>, StoreError> {
    let agents: HashSet<AgentId> =
        sessions.iter().filter(|session| session.dialect == DialectName::AgentKey).filter_map(|s| s.agent).collect();
    let keys = store.agents().keys(&agents.into_iter().collect::<Vec<_>>()).await?;
    let key = |session: &Session| session.agent.and_then(|agent| keys.get(&agent)).map(String::as_str);
    Ok(sessions
        .into_iter()
        .map(|session| {
            let key = key(&session);
            WireSession::new(session, key, now)
        })
        .collect())
}

/// A session with what only its own page shows.
#[derive(Serialize, ToSchema)]
#[schema(as = SingleSession)]
pub struct SingleSession {
    #[serde(flatten)]
    session: WireSession,
    /// The number of its last event; 0 if it has none.
    #[schema(example = 4)]
    last_event_number: i64,
    /// What only its dialect stores.
    #[schema(value_type = Object)]
    dialect_data: JsonText,
}

/// What the version of a session depends on: not on its events.
#[derive(Serialize)]
pub struct SessionVersion {
    session: WireSession,
    dialect_data: JsonText,
}

impl SessionVersion {
    pub(in crate::dialects::sessionary) fn of(session: &Session, agent_key: Option<&str>, now: Timestamp) -> Self {
        let dialect_data = session.detail.clone();
        Self { session: WireSession::new(session.clone(), agent_key, now), dialect_data }
    }
}

/// Returns the response with a session and its version.
///
/// # Errors
/// [`SessionaryError::Rejected`] when the database cannot be reached.
pub(in crate::dialects::sessionary) async fn single(
    store: &TenantStore,
    session: Session,
    now: Timestamp,
) -> Result<VersionedAs<SingleSession, SessionVersion>, SessionaryError> {
    let key = agent_key(store, &session).await?;
    let last_event_number = store.sessions().events(&session).last_number().await?;
    let version = SessionVersion::of(&session, key.as_deref(), now);
    let dialect_data = session.detail.clone();
    let body =
        SingleSession { session: WireSession::new(session, key.as_deref(), now), last_event_number, dialect_data };
    Ok(VersionedAs { status: StatusCode::OK, body, version })
}
