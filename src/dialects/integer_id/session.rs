//! A session as Agent Human keeps it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::session::State;
use crate::domain::{Agent, JsonText, Session, Timestamp};

/// What of a session only this dialect understands: its agent and the avatar it wore, as they were when it started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Detail {
    pub agent_id: i64,
    pub agent_name: String,
    pub language: String,
    pub avatar: Option<AvatarThen>,
    #[serde(default)]
    pub transcript: Option<String>,
    /// Seconds, once the session has ended.
    #[serde(default)]
    pub duration: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AvatarThen {
    pub id: i64,
    pub name: String,
    pub url: String,
    pub voice_id: Option<String>,
}

impl Detail {
    pub(super) fn of(agent: &Agent) -> Self {
        Self {
            agent_id: agent.number.get(),
            agent_name: agent.name.clone(),
            language: agent.language.clone(),
            avatar: agent.avatar.as_ref().map(|avatar| AvatarThen {
                id: avatar.number,
                name: avatar.name.clone(),
                url: avatar.url.clone(),
                voice_id: avatar.voice_id.clone(),
            }),
            transcript: None,
            duration: None,
        }
    }
}

/// The four members that tell of an avatar; all null when the agent has none.
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
    pub(super) fn of(session: &Session, now: Timestamp) -> Self {
        match session.state_at(now) {
            State::Open => Self::Active,
            State::Ended | State::Expired => Self::Completed,
        }
    }
}

/// Metadata as it was sent; null when there was none.
pub(super) type Metadata = Option<JsonText>;
