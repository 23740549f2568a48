//! Sessions listed by page or by cursor.
//!
//! What one call looks at is bounded, however old the table and however rare what it looks for: the nearest sessions
//! by their index, at most [`WINDOW`] of them. Totals are exact within that, and a key leads on behind it.

use uuid::Uuid;

use super::{RowKey, SessionRow, Sessions};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, Session, SessionId, Timestamp};
use crate::store::bytes::Page;
use crate::store::{StoreError, scope};

/// Sessions that one call looks at, at most.
pub const WINDOW: i64 = 10_000;

/// Where a session stands among those of its dialect: by its creation, then its id.
pub type SessionPlace = (Timestamp, SessionId);

/// In which order sessions are given. Those last updated are ordered within the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionOrder {
    #[default]
    Newest,
    Oldest,
    LastUpdated,
    FirstUpdated,
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
    pub behind: Option<SessionPlace>,
    /// How many sessions are looked at: at most [`WINDOW`].
    pub window: i64,
    pub skip: i64,
    pub limit: i64,
}

impl SessionQuery<'_> {
    /// The first `limit` of a dialect's sessions, newest first.
    #[must_use]
    pub fn newest(dialect: DialectName, now: Timestamp, limit: i64) -> Self {
        let order = SessionOrder::default();
        Self { dialect, agent: None, kind: None, state: None, now, order, behind: None, window: WINDOW, skip: 0, limit }
    }
}

/// A page of sessions.
#[derive(Debug)]
pub struct SessionPage {
    pub sessions: Vec<Session>,
    /// How many of the sessions looked at are meant.
    pub total: i64,
    /// The last session looked at, where there may be more behind it; the last of the page, where that was cut because
    /// of its bytes.
    pub rest: Option<SessionPlace>,
}

impl SessionPage {
    /// A page with nothing on it.
    #[must_use]
    pub fn empty() -> Self {
        Self { sessions: Vec::new(), total: 0, rest: None }
    }

    /// Behind which place the next page begins, for whoever goes on from page to page without skipping.
    #[must_use]
    pub fn next(&self) -> Option<SessionPlace> {
        let more = self.total > self.sessions.len() as i64;
        let last = self.sessions.last().map(|last| (last.created_at, last.id)).filter(|_| more);
        last.or(self.rest)
    }
}

/// The statement that looks at the nearest sessions and picks a page of them.
macro_rules! picked {
    ($org:expr, $query:expr, $of:literal, $behind:literal, $order:literal) => {{
        let (at, id) = ($query.behind.map(|(at, _)| at), $query.behind.map(|(_, id)| id.0));
        let by_update = match $query.order {
            SessionOrder::LastUpdated => Some(-1.0),
            SessionOrder::FirstUpdated => Some(1.0),
            SessionOrder::Newest | SessionOrder::Oldest => None,
        };
        sqlx::query_as!(
            Picked,
            r#"WITH near AS MATERIALIZED (
                   SELECT session_id, created_at, updated_at,
                          ($6::text IS NULL OR kind = $6)
                          AND CASE $7::smallint
                                  WHEN 1 THEN ended_at IS NULL AND (expires_at IS NULL OR expires_at > $8)
                                  WHEN 2 THEN ended_at IS NOT NULL
                                  WHEN 3 THEN ended_at IS NULL AND expires_at <= $8
                                  ELSE true
                              END AS fits
                     FROM sessions
                    WHERE org_id = $1 AND dialect = $2 AND "#
                + $of
                + " AND "
                + $behind
                + r#" ORDER BY "#
                + $order
                + r#" LIMIT $9
               )
               SELECT count(*) AS "seen!", count(*) FILTER (WHERE fits) AS "total!",
                      (SELECT created_at FROM near ORDER BY "#
                + $order
                + r#" OFFSET $9 - 1 LIMIT 1) AS last_at,
                      (SELECT session_id FROM near ORDER BY "#
                + $order
                + r#" OFFSET $9 - 1 LIMIT 1) AS last_id,
                      ARRAY(SELECT session_id FROM near WHERE fits
                             ORDER BY extract(epoch FROM updated_at)::float8 * $10::float8, "#
                + $order
                + r#" LIMIT $11 OFFSET $12) AS "page!"
                 FROM near"#,
            $org,
            $query.dialect.code(),
            $query.agent.map(|agent| agent.0),
            at,
            id,
            $query.kind,
            $query.state.map(code),
            $query.now,
            $query.window.clamp(1, WINDOW),
            by_update,
            $query.limit,
            $query.skip
        )
    }};
}

struct Picked {
    seen: i64,
    total: i64,
    last_at: Option<Timestamp>,
    last_id: Option<Uuid>,
    page: Vec<Uuid>,
}

fn code(state: State) -> i16 {
    match state {
        State::Open => 1,
        State::Ended => 2,
        State::Expired => 3,
    }
}

impl Sessions<'_> {
    /// Returns a page of sessions, of at most [`MAX_PAGE_BYTES`](crate::store::MAX_PAGE_BYTES).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(&self, query: &SessionQuery<'_>) -> Result<SessionPage, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let connection = &mut *transaction;
        // Agents' sessions have an index in two dialects, which it takes their numbers to use: no other asks for it.
        // One text for each index and direction, so that every plan of it walks that index from the place on.
        let picked = match (query.agent, query.order) {
            (None, SessionOrder::Oldest) => picked!(
                org.0, query, "$3::uuid IS NULL",
                "(created_at, session_id) > (COALESCE($4::timestamptz, '-infinity'), COALESCE($5::uuid, '00000000-0000-0000-0000-000000000000'))",
                "created_at, session_id"
            )
            .fetch_one(connection)
            .await?,
            (Some(_), SessionOrder::Oldest) => picked!(
                org.0, query, "agent_id = $3::uuid AND dialect IN (2, 5)",
                "(created_at, session_id) > (COALESCE($4::timestamptz, '-infinity'), COALESCE($5::uuid, '00000000-0000-0000-0000-000000000000'))",
                "created_at, session_id"
            )
            .fetch_one(connection)
            .await?,
            (None, _) => picked!(
                org.0, query, "$3::uuid IS NULL",
                "(created_at, session_id) < (COALESCE($4::timestamptz, 'infinity'), COALESCE($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))",
                "created_at DESC, session_id DESC"
            )
            .fetch_one(connection)
            .await?,
            (Some(_), _) => picked!(
                org.0, query, "agent_id = $3::uuid AND dialect IN (2, 5)",
                "(created_at, session_id) < (COALESCE($4::timestamptz, 'infinity'), COALESCE($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))",
                "created_at DESC, session_id DESC"
            )
            .fetch_one(connection)
            .await?,
        };
        let keys: Vec<RowKey> = picked.page.iter().map(|id| RowKey::new(org, query.dialect, SessionId(*id))).collect();
        let page = SessionRow::page(&mut transaction, &keys).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        let Page { rows: sessions, cut } = page.try_into_rows::<Session, StoreError>()?;
        let rest = match (picked.last_at, picked.last_id) {
            _ if cut => sessions.last().map(|last| (last.created_at, last.id)),
            (Some(at), Some(id)) if picked.seen == query.window.clamp(1, WINDOW) => Some((at, SessionId(id))),
            _ => None,
        };
        Ok(SessionPage { sessions, total: picked.total, rest })
    }
}
