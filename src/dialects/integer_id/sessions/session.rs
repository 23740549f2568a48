//! Finds sessions and lists them, and stores what only this dialect needs of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::dialects::shared::cursor;
use crate::domain::session::State;
use crate::domain::{Agent, Avatar, DialectName, EventId, JsonText, Session, SessionId, SessionNumber, Timestamp};
use crate::http::Rejection;
use crate::store::SessionQuery;

/// The part of a session that only this dialect stores: its agent and the agent's avatar, as they were when it started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::dialects::integer_id) struct IntegerIdDetail {
    pub agent_id: i64,
    pub agent_name: String,
    pub language: String,
    pub avatar: Option<AvatarThen>,
    /// Whether a transcript was sent when the session ended. It is stored as an event, because lists do not need it.
    #[serde(default)]
    pub has_transcript: bool,
    /// In seconds, once the session has ended.
    #[serde(default)]
    pub duration: Option<i64>,
}

/// Returns whether the part of a session that only this dialect stores can be read.
#[must_use]
pub fn reads_session(session: &Session) -> bool {
    session.detail.read::<IntegerIdDetail>().is_ok()
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::dialects::integer_id) struct AvatarThen {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub voice_id: Option<String>,
}

impl From<&Avatar> for AvatarThen {
    fn from(avatar: &Avatar) -> Self {
        Self {
            id: avatar.number,
            name: avatar.name.clone(),
            url: avatar.url.clone(),
            voice_id: avatar.voice_id.clone(),
        }
    }
}

impl IntegerIdDetail {
    pub(in crate::dialects::integer_id) fn of(agent: &Agent) -> Self {
        Self {
            agent_id: agent.number.get(),
            agent_name: agent.name.clone(),
            language: agent.language.clone(),
            avatar: agent.avatar.as_ref().map(AvatarThen::from),
            has_transcript: false,
            duration: None,
        }
    }
}

/// The four members of an avatar; all null if the agent has none.
#[derive(Serialize, ToSchema)]
pub struct AvatarMembers {
    #[schema(example = 1)]
    avatar_id: Option<i64>,
    #[schema(example = "Professional Avatar")]
    avatar_name: Option<String>,
    #[schema(example = "https://example.com/avatar.jpg")]
    avatar_url: Option<String>,
    #[schema(example = "21m00Tcm4TlvDq8ikWAM")]
    voice_id: Option<String>,
}

impl From<Option<AvatarThen>> for AvatarMembers {
    fn from(avatar: Option<AvatarThen>) -> Self {
        match avatar {
            Some(avatar) => Self {
                avatar_id: Some(avatar.id),
                avatar_name: Some(avatar.name),
                avatar_url: Some(avatar.url),
                voice_id: avatar.voice_id,
            },
            None => Self { avatar_id: None, avatar_name: None, avatar_url: None, voice_id: None },
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Active,
    Completed,
}

impl Status {
    pub(in crate::dialects::integer_id) fn of(session: &Session, now: Timestamp) -> Self {
        match session.state_at(now) {
            State::Open => Self::Active,
            State::Ended | State::Expired => Self::Completed,
        }
    }
}

/// Metadata as it was sent; null without any.
pub(in crate::dialects::integer_id) type Metadata = Option<JsonText>;

/// A session with this dialect's detail.
#[derive(Clone, Debug)]
pub(in crate::dialects::integer_id) struct NumberedSession {
    pub number: i64,
    pub session: Session,
    pub detail: IntegerIdDetail,
}

impl TryFrom<Session> for NumberedSession {
    type Error = Rejection;

    fn try_from(session: Session) -> Result<Self, Rejection> {
        let number = session.public_id.parse().map_err(|_| Rejection::Internal)?;
        let detail = session.detail.read().map_err(|_| Rejection::Internal)?;
        Ok(Self { number, session, detail })
    }
}

impl NumberedSession {
    /// Returns the transcript that was sent when the session ended, or `None` without one.
    pub(in crate::dialects::integer_id) async fn transcript<P>(
        &self,
        caller: &Caller<IntegerId, P>,
    ) -> Result<Option<String>, IntegerIdError> {
        if !self.detail.has_transcript {
            return Ok(None);
        }
        let sessions = caller.store.sessions();
        let transcript = sessions.events(&self.session).find(transcript_of(self.session.id)).await?;
        Ok(transcript.and_then(|event| event.content))
    }
}

/// Returns a page of sessions, and the cursor of the next page if there may be one.
pub(in crate::dialects::integer_id) async fn page<P>(
    caller: &Caller<IntegerId, P>,
    query: &SessionQuery<'_>,
) -> Result<(Vec<NumberedSession>, Option<String>), IntegerIdError> {
    let page = caller.store.sessions().stretch(query).await?;
    let next_cursor = page.next.map(|(at, id)| cursor::write((at, id.0)));
    let numbered: Result<_, Rejection> = page.sessions.into_iter().map(NumberedSession::try_from).collect();
    Ok((numbered?, next_cursor))
}

/// Returns the id of the event that stores a session's transcript.
pub(in crate::dialects::integer_id) fn transcript_of(session: SessionId) -> EventId {
    EventId(Uuid::new_v5(&session.0, b"transcript"))
}

/// Returns the key of the session that a path names.
///
/// # Errors
/// [`IntegerIdError::SessionNotFound`] if no session can have this number.
pub(in crate::dialects::integer_id) fn key_of(text: &str) -> Result<(DialectName, SessionId), IntegerIdError> {
    let number: SessionNumber = text.parse().map_err(|_| IntegerIdError::SessionNotFound)?;
    Ok((DialectName::IntegerId, SessionId::from_number(number)))
}

/// Returns the session that a path names.
///
/// # Errors
/// [`IntegerIdError::SessionNotFound`] if it does not exist.
pub(in crate::dialects::integer_id) async fn find<P>(
    caller: &Caller<IntegerId, P>,
    text: &str,
) -> Result<NumberedSession, IntegerIdError> {
    let (dialect, id) = key_of(text)?;
    let session = caller.store.sessions().find(dialect, id).await?.ok_or(IntegerIdError::SessionNotFound)?;
    Ok(session.try_into()?)
}
