//! Sessions listed by page or by cursor.
//!
//! One call reads a bounded number of sessions, however old the table and however rare the matches: the nearest
//! sessions by their index, at most [`WINDOW`]. Totals are exact within that, and a cursor leads on after it.
//!
//! A page and its total are separate statements. The page reads no more than it needs. The total reads the whole window
//! and is cached for a few seconds if that has many sessions. If few or none of them match, no page is full and each
//! reads the whole window. So the farthest match is cached with the total, and a page reads no further. Sessions that
//! were created since are nearer.

use uuid::Uuid;

use super::sql::{filtered_rows, newest, page_rows, updated_ids, walk};
use super::window::Window;
use super::{RowKey, SessionRow, Sessions};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, OrgId, Session, SessionId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::scope::PooledTransaction;
use crate::store::{StoreError, keyset, scope};

/// Limit of the sessions that one call reads.
pub const WINDOW: i64 = 10_000;

/// Limit of the sessions that one call reads in the order of their last update. That time is in no index, because each
/// message and each renewal changes it.
pub const UPDATED_WINDOW: i64 = 1_000;

/// Above this number of skipped sessions, a page is found by the index and not by reading rows.
const FAR: i64 = 200;

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

    fn is_by_creation(&self) -> bool {
        matches!(self.order, SessionOrder::Newest | SessionOrder::Oldest)
    }

    /// Returns how many sessions the query reads.
    pub(super) fn reach(&self) -> i64 {
        if self.is_by_creation() { WINDOW } else { UPDATED_WINDOW }
    }

    /// Returns how far a page has to read to find the matches.
    fn farthest(&self, window: Window) -> (Timestamp, Uuid) {
        match window.farthest {
            Some(at) if self.order.is_oldest_first() => (at, Uuid::max()),
            Some(at) => (at, Uuid::nil()),
            None => {
                let end = window.end.map(|(at, id)| (at, id.0));
                if self.order.is_oldest_first() { keyset::or_latest(end) } else { keyset::or_earliest(end) }
            }
        }
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

/// A page of sessions.
#[derive(Debug)]
pub struct SessionPage {
    pub sessions: Vec<Session>,
    /// How many of the sessions that were read match. If more than 1,000 were read, the number may be a few seconds
    /// old.
    pub total: i64,
    /// The cursor of the next page: the last session that was read, if there may be more after it; or the last of the
    /// page, if it was cut because of its bytes.
    pub next: Option<SessionCursor>,
}

/// A page of sessions for a caller that reads page after page without skipping.
#[derive(Debug)]
pub struct SessionStretch {
    pub sessions: Vec<Session>,
    /// The session after which the next page begins; `None` on the last page.
    pub next: Option<SessionCursor>,
}

impl SessionStretch {
    /// Returns an empty last page.
    #[must_use]
    pub fn empty() -> Self {
        Self { sessions: Vec::new(), next: None }
    }
}

fn code(state: State) -> i16 {
    match state {
        State::Open => 1,
        State::Ended => 2,
        State::Expired => 3,
    }
}

fn place_of(session: &Session) -> SessionCursor {
    (session.created_at, session.id)
}

impl Sessions<'_> {
    /// Returns a page of sessions, of at most [`MAX_PAGE_BYTES`], and their total.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(&self, query: &SessionQuery<'_>) -> Result<SessionPage, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let window = self.window(&mut transaction, query).await?;
        let Page { rows: sessions, cut } = self.page(transaction, query, query.limit, window).await?;
        let next = if cut { sessions.last().map(place_of) } else { window.end };
        Ok(SessionPage { sessions, total: window.total, next })
    }

    /// Returns the sessions after a cursor, at most `limit` of them and at most [`MAX_PAGE_BYTES`], and the next
    /// cursor. Ignores how many sessions `query` skips.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn stretch(&self, query: &SessionQuery<'_>) -> Result<SessionStretch, StoreError> {
        let query = SessionQuery { skip: 0, ..*query };
        let limit = usize::try_from(query.limit).unwrap_or_default();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let counted = self.0.counts().windows.get(&query.window_key(self.0.org));
        let window = match counted {
            Some(window) => window,
            // The end of the window is read from the index alone, without the filters.
            None if query.is_filtered() => {
                let all = SessionQuery { kind: None, state: None, ..query };
                Window { farthest: None, ..self.window(&mut transaction, &all).await? }
            }
            // A full page needs no window.
            None => Window::default(),
        };
        let page = self.page(transaction, &query, query.limit.saturating_add(1), window).await?;
        let Page { rows: mut sessions, cut } = page;
        let has_more = sessions.len() > limit;
        sessions.truncate(limit);
        if has_more || cut {
            let next = sessions.last().map(place_of);
            return Ok(SessionStretch { sessions, next });
        }
        // The page is not full, so there is no more in the window, but perhaps after it.
        if query.is_filtered() {
            // A page that read no further than an earlier one has counted nothing.
            if counted.is_none() {
                let farthest = sessions.last().map(|session| session.created_at).or(window.first);
                let counted = Window { total: sessions.len() as i64, farthest, ..window };
                self.0.counts().windows.insert(query.window_key(self.0.org), counted, window.seen);
            }
            return Ok(SessionStretch { sessions, next: window.end });
        }
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let window = self.window(&mut transaction, &query).await?;
        transaction.commit().await?;
        Ok(SessionStretch { sessions, next: window.end })
    }

    /// Reads a page of at most `limit` sessions of the window, and ends the transaction.
    async fn page(
        &self,
        mut transaction: PooledTransaction,
        query: &SessionQuery<'_>,
        limit: i64,
        window: Window,
    ) -> Result<Page<Session>, StoreError> {
        let mut parameters = query.parameters(self.0.org);
        let limit = limit.min(query.reach() - parameters.skip).max(0);
        let is_far = parameters.skip >= FAR && query.is_by_creation() && !query.is_filtered();
        if limit == 0 || is_far && !self.skip(&mut transaction, query, &mut parameters).await? {
            transaction.commit().await?;
            return Ok(Page { rows: Vec::new(), cut: false });
        }
        let connection = &mut *transaction;
        let sign = match query.order {
            SessionOrder::LastUpdated => Some(-1.0),
            SessionOrder::FirstUpdated => Some(1.0),
            SessionOrder::Newest | SessionOrder::Oldest => None,
        };
        let page = if let Some(sign) = sign {
            let ids = newest!(parameters, updated_ids, connection, limit, sign);
            let keys: Vec<RowKey> =
                ids.iter().map(|id| RowKey::new(self.0.org, query.dialect, SessionId(*id))).collect();
            SessionRow::page(&mut transaction, &keys).await?
        } else if query.is_filtered() {
            let end = query.farthest(window);
            walk!(query.order, parameters, filtered_rows, connection, limit, end)
        } else {
            walk!(query.order, parameters, page_rows, connection, limit)
        };
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }
}
