//! A session as Agent Human keeps it.

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

/// What of a session only this dialect understands: its agent and the avatar it wore, as they were when it started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::dialects::integer_id) struct IntegerIdDetail {
    pub agent_id: i64,
    pub agent_name: String,
    pub language: String,
    pub avatar: Option<AvatarThen>,
    /// Whether its end brought one along; it is kept among the events, since lists have no use for it.
    #[serde(default)]
    pub has_transcript: bool,
    /// Seconds, once the session has ended.
    #[serde(default)]
    pub duration: Option<i64>,
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

/// The four members about an avatar; all null if the agent has none.
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

/// Metadata as it was sent; null when there was none.
pub(in crate::dialects::integer_id) type Metadata = Option<JsonText>;

/// A session, with what this dialect knows of it.
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
    /// What was handed in with the session's end.
    pub(in crate::dialects::integer_id) async fn transcript<P>(
        &self,
        caller: &Caller<IntegerId, P>,
    ) -> Result<Option<String>, IntegerIdError> {
        if !self.detail.has_transcript {
            return Ok(None);
        }
        let sessions = caller.store.sessions();
        let kept = sessions.events(&self.session).find(transcript_of(self.session.id)).await?;
        Ok(kept.and_then(|event| event.content))
    }
}

/// The sessions that are wanted, and the cursor that leads on, where there may be more.
pub(in crate::dialects::integer_id) async fn page<P>(
    caller: &Caller<IntegerId, P>,
    wanted: &SessionQuery<'_>,
) -> Result<(Vec<NumberedSession>, Option<String>), IntegerIdError> {
    let page = caller.store.sessions().stretch(wanted).await?;
    let next_cursor = page.next.map(|(at, id)| cursor::write((at, id.0)));
    let numbered: Result<_, Rejection> = page.sessions.into_iter().map(NumberedSession::try_from).collect();
    Ok((numbered?, next_cursor))
}

/// The event that keeps a session's transcript.
pub(in crate::dialects::integer_id) fn transcript_of(session: SessionId) -> EventId {
    EventId(Uuid::new_v5(&session.0, b"transcript"))
}

/// Which session a text names: digits in their one spelling.
pub(in crate::dialects::integer_id) fn key_of(text: &str) -> Result<(DialectName, SessionId), IntegerIdError> {
    let number: SessionNumber = text.parse().map_err(|_| IntegerIdError::SessionNotFound)?;
    Ok((DialectName::IntegerId, SessionId::from_number(number)))
}

/// The session that a text names.
pub(in crate::dialects::integer_id) async fn find<P>(
    caller: &Caller<IntegerId, P>,
    text: &str,
) -> Result<NumberedSession, IntegerIdError> {
    let (dialect, id) = key_of(text)?;
    let session = caller.store.sessions().find(dialect, id).await?.ok_or(IntegerIdError::SessionNotFound)?;
    Ok(session.try_into()?)
}
