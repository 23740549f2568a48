//! What a session talks to. One agent has a name for every dialect.

use super::{AgentId, AgentKey, AgentNumber, JsonText, Responder, Timestamp};

/// An agent as the dialects see it, with the avatar it wears.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub id: AgentId,
    pub key: AgentKey,
    pub number: AgentNumber,
    pub name: String,
    /// One state under three words: `enabled: false` (agent_key), `isActive: false` (agntix), `archived` (integer_id).
    pub enabled: bool,
    /// An ISO 639 code, `en` unless somebody said otherwise.
    pub language: String,
    pub avatar: Option<Avatar>,
    /// `None`: the organization's default.
    pub responder: Option<Responder>,
    /// What a dialect keeps about the agent, under the dialect's name: an object.
    pub settings: JsonText,
}

impl Agent {
    /// What answers its messages: its own responder, else `default`, the organization's.
    #[must_use]
    pub fn responder_or<'a>(&'a self, default: &'a Responder) -> &'a Responder {
        self.responder.as_ref().unwrap_or(default)
    }
}

/// A face and a voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    pub number: i64,
    pub name: String,
    pub url: String,
    pub voice_id: Option<String>,
}

/// An agent by whichever of its names the dialect uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AgentRef {
    Id(AgentId),
    Key(AgentKey),
    Number(AgentNumber),
}

/// What it takes to make an agent.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub id: AgentId,
    pub key: AgentKey,
    /// `None`: the organization's next.
    pub number: Option<AgentNumber>,
    pub name: String,
    pub avatar_number: Option<i64>,
    /// `None`: the organization's default.
    pub responder: Option<Responder>,
    /// See [`Agent::settings`].
    pub settings: JsonText,
    pub created_at: Timestamp,
}
