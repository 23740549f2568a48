//! A conversation: what is written when it begins, and what is read of it afterwards.

use uuid::Uuid;

use super::{AgentId, DialectName, JsonText, OpenTurn, SessionId, Timestamp};

/// A session about to be written.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub dialect: DialectName,
    pub id: SessionId,
    /// `None` where the dialect's sessions belong to no agent.
    pub agent: Option<AgentId>,
    /// The text or number that the caller uses for the session.
    pub public_id: String,
    pub enabled: bool,
    /// Platform, session type or connection type: the dialect's word for how the session came about.
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<JsonText>,
    /// What only its own dialect understands.
    pub detail: JsonText,
    pub created_at: Timestamp,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Drawn once per request: tells this request's own row, written by a COMMIT whose answer was lost, from a row
    /// that somebody else wrote under the same id.
    pub nonce: Uuid,
}

impl NewSession {
    /// Returns how many bytes of it a caller decides.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.kind, &self.user_id, &self.name, &self.description];
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        self.public_id.len() + self.detail.as_str().len() + metadata + texts
    }
}

/// A session as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub dialect: DialectName,
    pub id: SessionId,
    pub agent: Option<AgentId>,
    pub public_id: String,
    pub enabled: bool,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<JsonText>,
    pub detail: JsonText,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub expiry_reported_at: Option<Timestamp>,
    /// The newest message that waits for its reply.
    pub turn: Option<OpenTurn>,
    pub nonce: Uuid,
    /// Whether a change deletes the session and everything said in it. Never true of a session that was read.
    pub is_erased: bool,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Open,
    /// Its time ran out. The conversation stays.
    Expired,
    /// Somebody closed it.
    Ended,
}

impl Session {
    /// Deletes the session at `now`: it has ended, its content is gone, and its events will be.
    pub fn erase(&mut self, now: Timestamp) {
        self.ended_at.get_or_insert(now);
        self.updated_at = now;
        (self.name, self.description, self.metadata) = (None, None, None);
        self.detail = JsonText::empty_object();
        self.turn = None;
        self.is_erased = true;
    }

    /// The state at `now`. Expiry is computed when a session is read, never swept: a session that somebody ended
    /// before its time ran out stays ended.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        match (self.ended_at, self.expires_at) {
            (Some(_), _) => State::Ended,
            (None, Some(expires_at)) if expires_at <= now => State::Expired,
            _ => State::Open,
        }
    }
}

impl Session {
    /// Returns whether a replica works on the reply to the newest message.
    #[must_use]
    pub fn is_running(&self, now: Timestamp) -> bool {
        self.turn.is_some_and(|turn| turn.is_running(now))
    }
}

impl From<NewSession> for Session {
    /// The session as it stands right after it was written.
    fn from(new: NewSession) -> Self {
        Self {
            dialect: new.dialect,
            id: new.id,
            agent: new.agent,
            public_id: new.public_id,
            enabled: new.enabled,
            kind: new.kind,
            user_id: new.user_id,
            name: new.name,
            description: new.description,
            metadata: new.metadata,
            detail: new.detail,
            created_at: new.created_at,
            updated_at: new.created_at,
            expires_at: new.expires_at,
            ended_at: None,
            expiry_reported_at: None,
            turn: None,
            nonce: new.nonce,
            is_erased: false,
        }
    }
}
