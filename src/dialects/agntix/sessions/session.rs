//! The wire type of a session.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::time::Seconds;
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, JsonText, Organization, Session, SessionId, Timestamp};

/// A chat session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatSession {
    #[schema(example = "ses_01j3m8xkqp8v2nw4f7g9hk0r00")]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    agent_id: Option<AgentId>,
    #[schema(example = "SDK")]
    platform: Option<String>,
    state: ChatState,
    #[schema(value_type = Object)]
    metadata: JsonText,
    /// The contact that the session was created with, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    contact: Option<JsonText>,
    #[schema(example = "org_2abc123")]
    org_id: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Seconds,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum ChatState {
    Open,
    Closed,
    Expired,
}

/// The part of a session that only this dialect stores.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::dialects::agntix) struct AgntixDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<JsonText>,
    /// Why it was closed, if the client gave a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_reason: Option<String>,
}

/// Returns whether the part of a session that only this dialect stores can be read.
#[must_use]
pub fn reads_session(session: &Session) -> bool {
    session.detail.read::<AgntixDetail>().is_ok()
}

/// Returns the key of the session that a path names.
///
/// # Errors
/// [`AgntixError::SessionNotFound`] if the text is not an id.
pub(in crate::dialects::agntix) fn key_of(text: &str) -> Result<(DialectName, SessionId), AgntixError> {
    SessionId::from_agntix(text).map(|id| (DialectName::Agntix, id)).ok_or(AgntixError::SessionNotFound)
}

/// Returns the session that a path names.
///
/// # Errors
/// [`AgntixError::SessionNotFound`] if it does not exist.
pub(in crate::dialects::agntix) async fn find<P>(
    caller: &Caller<Agntix, P>,
    text: &str,
) -> Result<Session, AgntixError> {
    let (dialect, id) = key_of(text)?;
    caller.store.sessions().find(dialect, id).await?.ok_or(AgntixError::SessionNotFound)
}

impl ChatSession {
    pub(in crate::dialects::agntix) fn new(session: Session, organization: &Organization, now: Timestamp) -> Self {
        let detail: AgntixDetail = session.detail.read().unwrap_or_default();
        let state = match session.state_at(now) {
            State::Open => ChatState::Open,
            State::Ended => ChatState::Closed,
            State::Expired => ChatState::Expired,
        };
        Self {
            id: session.public_id,
            agent_id: session.agent,
            platform: session.kind,
            state,
            metadata: session.metadata.unwrap_or_else(JsonText::empty_object),
            contact: detail.contact,
            org_id: organization.public_id(),
            created_at: Seconds(session.created_at),
            updated_at: Seconds(session.updated_at),
        }
    }
}
