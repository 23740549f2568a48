//! Sessions listed by page or by cursor.
//!
//! What one call looks at is bounded, however old the table and however rare what it looks for: the nearest sessions
//! by their index, at most [`WINDOW`] of them. Totals are exact within that, and a cursor leads on behind it.
//!
//! A page and its total are separate statements. The page reads no more than it needs; the total, which reads the whole
//! window, is cached for a moment where that has many sessions.

use uuid::Uuid;

use super::sql::{filtered_rows, filtered_times, newest, page_rows, simultaneous, times, updated_ids, walk};
use super::{RowKey, SessionRow, Sessions};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, OrgId, Session, SessionId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::scope::PooledTransaction;
use crate::store::{StoreError, keyset, scope};

/// Sessions that one call looks at, at most.
pub const WINDOW: i64 = 10_000;

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

    fn is_filtered(&self) -> bool {
        self.kind.is_some() || self.state.is_some()
    }

    fn parameters(&self, org: OrgId) -> Parameters<'_> {
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
            skip: self.skip.clamp(0, WINDOW),
        }
    }

    fn window_key(&self, org: OrgId) -> WindowKey {
        WindowKey {
            org,
            dialect: self.dialect,
            agent: self.agent,
            kind: self.kind.map(str::to_owned),
            state: self.state,
            behind: self.behind,
            is_oldest_first: self.order.is_oldest_first(),
        }
    }
}

/// A query as the parameters of its statements.
struct Parameters<'q> {
    org: Uuid,
    dialect: i16,
    agent: Option<Uuid>,
    at: Timestamp,
    id: Uuid,
    kind: Option<&'q str>,
    state: Option<i16>,
    now: Timestamp,
    skip: i64,
}

/// Which sessions a query looks at, whichever page of them it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowKey {
    org: OrgId,
    dialect: DialectName,
    agent: Option<AgentId>,
    kind: Option<String>,
    state: Option<State>,
    behind: Option<SessionCursor>,
    is_oldest_first: bool,
}

/// What is known of the sessions that a query looks at.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// How many of them are meant.
    total: i64,
    /// The last one, where there may be more behind it.
    pub(super) end: Option<SessionCursor>,
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

/// The nearest sessions, by their times.
struct Times {
    seen: i64,
    /// How many of them are meant.
    total: i64,
    /// The time of the last one, where there are as many as were asked for.
    last: Option<Timestamp>,
    /// How many of them have that time.
    of_last: Option<i64>,
}

/// A session among those of the same time.
struct Simultaneous {
    session_id: Uuid,
    /// Whether it is meant.
    fits: bool,
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
        let Page { rows: sessions, cut } = self.page(transaction, query, query.limit).await?;
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
        let transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let Page { rows: mut sessions, cut } = self.page(transaction, &query, query.limit.saturating_add(1)).await?;
        let has_more = sessions.len() > limit;
        sessions.truncate(limit);
        if has_more || cut {
            let next = sessions.last().map(place_of);
            return Ok(SessionStretch { sessions, next });
        }
        // The page is not full: there is nothing more in the window, but perhaps behind it.
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let window = self.window(&mut transaction, &query).await?;
        transaction.commit().await?;
        Ok(SessionStretch { sessions, next: window.end })
    }

    /// Counts the sessions that a query looks at and means, unless that was done a moment ago.
    pub(super) async fn window(
        &self,
        transaction: &mut PooledTransaction,
        query: &SessionQuery<'_>,
    ) -> Result<Window, StoreError> {
        let key = query.window_key(self.0.org);
        if let Some(window) = self.0.counts().windows.get(&key) {
            return Ok(window);
        }
        let parameters = query.parameters(self.0.org);
        let same_time = self.behind_at_its_time(transaction, query, &parameters).await?;
        let others = (WINDOW - same_time.len() as i64).max(1);
        let connection = &mut **transaction;
        let times = if query.is_filtered() {
            walk!(query.order, parameters, filtered_times, connection, others)
        } else {
            walk!(query.order, parameters, times, connection, others)
        };
        let total = times.total + same_time.iter().filter(|session| session.fits).count() as i64;
        let end = match times.last.zip(times.of_last) {
            Some((at, count)) => {
                let connection = &mut **transaction;
                let ids = newest!(parameters, simultaneous, connection, at);
                let place = usize::try_from(count - 1).unwrap_or_default();
                let id = if query.order.is_oldest_first() { ids.get(place) } else { ids.iter().rev().nth(place) };
                id.map(|session| (at, SessionId(session.session_id)))
            }
            None => None,
        };
        let window = Window { total, end };
        self.0.counts().windows.insert(key, window, times.seen);
        Ok(window)
    }

    /// Returns the sessions behind the cursor that have its time.
    async fn behind_at_its_time(
        &self,
        transaction: &mut PooledTransaction,
        query: &SessionQuery<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Simultaneous>, StoreError> {
        let Some((at, id)) = query.behind else { return Ok(Vec::new()) };
        let connection = &mut **transaction;
        let mut sessions = newest!(parameters, simultaneous, connection, at);
        let is_oldest_first = query.order.is_oldest_first();
        sessions.retain(|session| if is_oldest_first { session.session_id > id.0 } else { session.session_id < id.0 });
        Ok(sessions)
    }

    /// Moves the cursor of a page that is far away to its first session, by times that are read from the index alone. Returns
    /// `false` where there is no such session.
    async fn skip(
        &self,
        transaction: &mut PooledTransaction,
        query: &SessionQuery<'_>,
        parameters: &mut Parameters<'_>,
    ) -> Result<bool, StoreError> {
        let same_time = self.behind_at_its_time(transaction, query, parameters).await?.len() as i64;
        if parameters.skip < same_time {
            return Ok(true);
        }
        let wanted = parameters.skip + 1 - same_time;
        let connection = &mut **transaction;
        let times = walk!(query.order, parameters, times, connection, wanted);
        let Some((at, count)) = times.last.zip(times.of_last) else { return Ok(false) };
        let edge = if query.order.is_oldest_first() { Uuid::nil() } else { Uuid::max() };
        (parameters.at, parameters.id, parameters.skip) = (at, edge, count - 1);
        Ok(true)
    }

    /// Reads a page of at most `limit` sessions of the window, and ends the transaction.
    async fn page(
        &self,
        mut transaction: PooledTransaction,
        query: &SessionQuery<'_>,
        limit: i64,
    ) -> Result<Page<Session>, StoreError> {
        let mut parameters = query.parameters(self.0.org);
        let limit = limit.min(WINDOW - parameters.skip).max(0);
        let is_by_creation = matches!(query.order, SessionOrder::Newest | SessionOrder::Oldest);
        let is_far = parameters.skip >= FAR && is_by_creation && !query.is_filtered();
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
            walk!(query.order, parameters, filtered_rows, connection, limit)
        } else {
            walk!(query.order, parameters, page_rows, connection, limit)
        };
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }
}
