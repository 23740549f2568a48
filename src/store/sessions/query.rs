//! Which sessions a list is asked for, and which page of them.

use uuid::Uuid;

use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, OrgId, SessionId, Timestamp};
use crate::store::keyset;

/// Limit of the sessions that one call reads.
pub const WINDOW: i64 = 10_000;

/// Limit of the sessions that one call reads in the order of their last update. That time is in no index, because each
/// message and each renewal changes it.
pub const UPDATED_WINDOW: i64 = 1_000;

/// A session's position among those of its dialect: its time of creation, then its id.
pub type SessionCursor = (Timestamp, SessionId);

/// The order of sessions. Those by last update are sorted within the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionOrder {
    #[default]
    Newest,
    Oldest,
    LastUpdated,
    FirstUpdated,
}

impl SessionOrder {
    /// Returns whether the sessions are read from the oldest on.
    pub(super) fn is_oldest_first(self) -> bool {
        self == Self::Oldest
    }
}

/// A filter for sessions, and a page of them.
#[derive(Clone, Copy, Debug)]
pub struct SessionQuery<'q> {
    pub dialect: DialectName,
    pub agent: Option<AgentId>,
    /// The dialect's word for how the session came about.
    pub kind: Option<&'q str>,
    /// The state at `now`.
    pub state: Option<State>,
    pub now: Timestamp,
    pub order: SessionOrder,
    /// Returns only sessions after this one in the list's order.
    pub after: Option<SessionCursor>,
    pub skip: i64,
    pub limit: i64,
}

impl SessionQuery<'_> {
    /// Returns a query for the first `limit` of a dialect's sessions, newest first.
    #[must_use]
    pub fn newest(dialect: DialectName, now: Timestamp, limit: i64) -> Self {
        let order = SessionOrder::default();
        Self { dialect, agent: None, kind: None, state: None, now, order, after: None, skip: 0, limit }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.kind.is_some() || self.state.is_some()
    }

    pub(super) fn is_by_creation(&self) -> bool {
        matches!(self.order, SessionOrder::Newest | SessionOrder::Oldest)
    }

    /// Returns how many sessions the query reads.
    pub(super) fn reach(&self) -> i64 {
        if self.is_by_creation() { WINDOW } else { UPDATED_WINDOW }
    }

    pub(super) fn parameters(&self, org: OrgId) -> Parameters<'_> {
        let after = self.after.map(|(at, id)| (at, id.0));
        let (at, id) = if self.order.is_oldest_first() { keyset::or_earliest(after) } else { keyset::or_latest(after) };
        Parameters {
            org: org.0,
            dialect: self.dialect.code(),
            agent: self.agent.map(|agent| agent.0),
            at,
            id,
            kind: self.kind,
            state: self.state.map(code),
            now: self.now,
            skip: self.skip.clamp(0, self.reach()),
        }
    }
}

/// The parameters of a query's statements.
pub(super) struct Parameters<'q> {
    pub org: Uuid,
    pub dialect: i16,
    pub agent: Option<Uuid>,
    pub at: Timestamp,
    pub id: Uuid,
    pub kind: Option<&'q str>,
    pub state: Option<i16>,
    pub now: Timestamp,
    pub skip: i64,
}

pub(super) fn code(state: State) -> i16 {
    match state {
        State::Open => 1,
        State::Ended => 2,
        State::Expired => 3,
    }
}
