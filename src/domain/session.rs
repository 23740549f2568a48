//! A session: a new one, and a stored one.

use uuid::Uuid;

use super::{AgentId, DialectName, JsonText, OpenTurn, SessionId, SessionUser, Timestamp};

/// A session to be created.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub dialect: DialectName,
    pub id: SessionId,
    /// `None` if the dialect's sessions do not belong to an agent.
    pub agent: Option<AgentId>,
    /// The caller's text or number for the session.
    pub public_id: String,
    pub enabled: bool,
    /// Platform, session type or connection type: the dialect's word for how the session came about.
    pub kind: Option<String>,
    /// The user, of a dialect that has a field for it. The store finds those of the others when it creates the session.
    pub user_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<JsonText>,
    /// The dialect's own data.
    pub detail: JsonText,
    pub created_at: Timestamp,
    /// `None` if it does not expire.
    pub expires_at: Option<Timestamp>,
    /// Drawn once per request. Distinguishes a row that this request wrote with a COMMIT that was not confirmed from a
    /// row that another request wrote under the same id.
    pub nonce: Uuid,
}

impl NewSession {
    /// Returns an open session without an agent, a text or an expiry, for a literal to fill in.
    #[must_use]
    pub fn of(dialect: DialectName, id: SessionId, public_id: String, created_at: Timestamp, nonce: Uuid) -> Self {
        Self {
            dialect,
            id,
            agent: None,
            public_id,
            enabled: true,
            kind: None,
            user_id: None,
            name: None,
            description: None,
            metadata: None,
            detail: JsonText::empty_object(),
            created_at,
            expires_at: None,
            nonce,
        }
    }

    /// Returns the ids of its user.
    #[must_use]
    pub fn user(&self) -> SessionUser {
        SessionUser::of(self.dialect, self.user_id.as_deref(), self.metadata.as_ref(), &self.detail)
    }

    /// Returns how many bytes of it the caller determines.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.kind, &self.user_id, &self.name, &self.description];
        let metadata = self.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        self.public_id.len() + self.detail.as_str().len() + metadata + texts
    }
}

/// A stored session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub dialect: DialectName,
    pub id: SessionId,
    pub agent: Option<AgentId>,
    pub public_id: String,
    pub enabled: bool,
    pub kind: Option<String>,
    /// Whose session it is, in every dialect.
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
    /// Whether a change deletes the session and all of its messages. Never true for a session that was read.
    pub is_erased: bool,
}

/// The state of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Open,
    /// Its time-out has passed. The conversation stays stored.
    Expired,
    /// It was closed.
    Ended,
}

impl Session {
    /// Deletes the session at `now`: it is ended and its content is cleared. Its events are deleted later.
    pub fn erase(&mut self, now: Timestamp) {
        self.ended_at.get_or_insert(now);
        self.updated_at = now;
        (self.name, self.description, self.metadata) = (None, None, None);
        self.detail = JsonText::empty_object();
        self.turn = None;
        self.is_erased = true;
    }

    /// Returns the ids of its user.
    #[must_use]
    pub fn user(&self) -> SessionUser {
        let own = self.user_id.as_deref().filter(|_| self.dialect.has_user_field());
        SessionUser::of(self.dialect, own, self.metadata.as_ref(), &self.detail)
    }

    /// Returns the state at `now`. Expiry is computed when a session is read and is never stored. A session that was
    /// closed before its time-out stays ended.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> State {
        State::of(self.ended_at, self.expires_at, now)
    }
}

impl State {
    /// Returns the state at `now` of a session with these times.
    #[must_use]
    pub fn of(ended_at: Option<Timestamp>, expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match (ended_at, expires_at) {
            (Some(_), _) => Self::Ended,
            (None, Some(expires_at)) if expires_at <= now => Self::Expired,
            _ => Self::Open,
        }
    }
}

impl Session {
    /// Returns whether a replica is working on the reply to the newest message.
    #[must_use]
    pub fn is_running(&self, now: Timestamp) -> bool {
        self.turn.is_some_and(|turn| turn.is_running(now))
    }
}

impl From<NewSession> for Session {
    /// Returns the session as it is stored right after its creation.
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
