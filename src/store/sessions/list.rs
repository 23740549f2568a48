//! Sessions listed by page or by cursor.
//!
//! One call reads a bounded number of sessions, however old the table and however rare the matches: the nearest
//! by their index, at most [`WINDOW`](super::WINDOW) of them. Totals are exact within that, and a cursor leads on behind it.
//!
//! A page and its total are separate statements. The page reads no more than it needs. The total reads the whole window
//! and is cached for a few seconds if that has many sessions. If few or none of them match, no page is full and each
//! reads the whole window. So the farthest match is cached with the total, and a page reads no further. Sessions that
//! were created since are nearer.

use uuid::Uuid;

use super::query::{SessionCursor, SessionOrder, SessionQuery, UPDATED_WINDOW};
use super::sql::{filtered_rows, newest, page_rows, updated_ids, walk};
use super::window::Window;
use super::{RowKey, SessionRow, Sessions};
use crate::domain::{Session, SessionId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::scope::PooledTransaction;
use crate::store::{StoreError, keyset, scope};

/// Above this number of skipped sessions, a page is found by the index and not by reading rows.
const FAR: i64 = 200;

impl SessionQuery<'_> {
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
