//! Sessions listed by page or by cursor.
//!
//! What one call looks at is bounded, however old the table and however rare what it looks for: the nearest sessions
//! by their index, at most [`WINDOW`] of them. Totals are exact within that, and a cursor leads on behind it.
//!
//! A page and its total are separate statements. The page reads no more than it needs; the total, which reads the whole
//! window, is cached for a moment where that has many sessions. Where few or none of them are meant, no page is full, and
//! looks at all of the window; so the farthest one is cached with the total, and a page looks no farther. Sessions that were
//! made since are nearer.

use uuid::Uuid;

use super::sql::{filtered_rows, newest, page_rows, updated_ids, walk};
use super::window::Window;
use super::{RowKey, SessionRow, Sessions};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, OrgId, Session, SessionId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::scope::PooledTransaction;
use crate::store::{StoreError, keyset, scope};

/// Sessions that one call looks at, at most.
pub const WINDOW: i64 = 10_000;

/// Sessions that one call looks at, at most, where they are ordered by their last update: it is in no index, because each
/// message and each renewal changes it.
pub const UPDATED_WINDOW: i64 = 1_000;

/// Sessions that a page skips one by one, which means to look at their rows.
const FAR: i64 = 200;

/// Where a session stands among those of its dialect: by its creation, then its id.
pub type SessionCursor = (Timestamp, SessionId);

/// In which order sessions are given. Those last updated are ordered within the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionOrder {
    #[default]
    Newest,
    Oldest,
    LastUpdated,
    FirstUpdated,
}

impl SessionOrder {
    /// Returns whether the sessions are looked at from the oldest on.
    pub(super) fn is_oldest_first(self) -> bool {
        self == Self::Oldest
    }
}

/// Which sessions are meant, and which page of them.
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
    /// Only sessions behind this place, in the order that is asked for.
    pub behind: Option<SessionCursor>,
    pub skip: i64,
    pub limit: i64,
}

impl SessionQuery<'_> {
    /// The first `limit` of a dialect's sessions, newest first.
    #[must_use]
    pub fn newest(dialect: DialectName, now: Timestamp, limit: i64) -> Self {
        let order = SessionOrder::default();
        Self { dialect, agent: None, kind: None, state: None, now, order, behind: None, skip: 0, limit }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.kind.is_some() || self.state.is_some()
    }

    fn is_by_creation(&self) -> bool {
        matches!(self.order, SessionOrder::Newest | SessionOrder::Oldest)
    }

    /// Returns how many sessions the query looks at.
    pub(super) fn reach(&self) -> i64 {
        if self.is_by_creation() { WINDOW } else { UPDATED_WINDOW }
    }

    /// Returns how far a page has to look for the sessions that are meant.
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
        let behind = self.behind.map(|(at, id)| (at, id.0));
        let (at, id) =
            if self.order.is_oldest_first() { keyset::or_earliest(behind) } else { keyset::or_latest(behind) };
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

/// A query as the parameters of its statements.
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
    /// How many of the sessions looked at are meant; where more than 1,000 were looked at, as of the last seconds.
    pub total: i64,
    /// The last session looked at, where there may be more behind it; the last of the page, where that was cut because
    /// of its bytes.
    pub rest: Option<SessionCursor>,
}

/// A page of sessions for a caller who goes on from page to page without skipping.
#[derive(Debug)]
pub struct SessionStretch {
    pub sessions: Vec<Session>,
    /// Where the next page begins: behind this session. `None` on the last page.
    pub next: Option<SessionCursor>,
}

impl SessionStretch {
    /// Returns the last page, with nothing on it.
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
        let rest = if cut { sessions.last().map(place_of) } else { window.end };
        Ok(SessionPage { sessions, total: window.total, rest })
    }

    /// Returns the sessions behind a cursor, at most `limit` of them and at most
    /// [`MAX_PAGE_BYTES`], and where to go on. What `query` skips counts for nothing.
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
            // Where the window ends is read from the index alone, unlike what the filters let through.
            None if query.is_filtered() => {
                let all = SessionQuery { kind: None, state: None, ..query };
                Window { farthest: None, ..self.window(&mut transaction, &all).await? }
            }
            // A page that is full needs no window.
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
        // The page is not full: there is nothing more in the window, but perhaps behind it.
        if query.is_filtered() {
            // A page that looked no farther than an earlier one has counted nothing.
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
