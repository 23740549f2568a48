//! Sessions of several dialects in one list, by keyset.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::across_sql::{directed, nearest_examined, nearest_examined_of_agent, nearest_rows};
use super::query::code;
use super::{RowKey, SessionRow, across_user};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, Session, SessionId, Timestamp};
use crate::store::bytes::{self, MAX_PAGE_BYTES, Page};
use crate::store::captures::search_patterns;
use crate::store::{Sessions, StoreError, keyset, scope};

/// A session's position among those of all dialects: its time of creation, then its dialect, then its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcrossCursor {
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) dialect: i16,
    pub(in crate::store) id: Uuid,
}

impl From<&Session> for AcrossCursor {
    fn from(session: &Session) -> Self {
        Self { at: session.created_at, dialect: session.dialect.code(), id: session.id.0 }
    }
}

/// The order of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreationOrder {
    #[default]
    Newest,
    Oldest,
}

/// Which sessions a list walks along.
#[derive(Clone, Debug)]
pub struct Walk {
    pub dialects: Vec<DialectName>,
    pub order: CreationOrder,
    /// Only sessions that were created after this time.
    pub created_after: Option<Timestamp>,
    /// Only sessions that were created before this time.
    pub created_before: Option<Timestamp>,
}

/// Which of the sessions match. What is not set is no condition.
#[derive(Clone, Debug)]
pub struct SessionFilter {
    pub agent: Option<AgentId>,
    pub kind: Option<String>,
    pub user: Option<String>,
    /// The state at `now`.
    pub state: Option<State>,
    pub now: Timestamp,
    /// A text that is looked for, ignoring case. Sessions without it match as well, but are not marked.
    pub text: Option<String>,
}

impl SessionFilter {
    /// Returns whether every session matches that is not deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { agent, kind, user, state, now: _, text } = self;
        agent.is_none() && kind.is_none() && user.is_none() && state.is_none() && text.is_none()
    }

    pub(super) fn patterns(&self) -> Vec<String> {
        self.text.as_deref().map(search_patterns).unwrap_or_default()
    }
}

/// A session that was looked at.
#[derive(Clone, Copy, Debug)]
pub struct Examined {
    pub dialect: DialectName,
    pub id: SessionId,
    pub cursor: AcrossCursor,
    /// Whether it is not deleted and matches the filter but for its text.
    pub fits: bool,
    /// Whether its name, its description or its id contains the text of the filter.
    pub is_named: bool,
}

pub(super) struct ExaminedRow {
    pub dialect: i16,
    pub session_id: Uuid,
    pub created_at: Timestamp,
    pub fits: bool,
    pub is_named: bool,
}

/// The cursors of a walk as the parameters of its statements.
struct Start {
    org: Uuid,
    dialects: Vec<i16>,
    times: Vec<Timestamp>,
    ids: Vec<Uuid>,
    until: Timestamp,
    limit: i64,
}

impl Walk {
    /// Returns where each dialect's sessions are read from.
    fn start(&self, org: Uuid, after: Option<AcrossCursor>, limit: i64) -> Start {
        let newest = self.order == CreationOrder::Newest;
        let (first, last) = if newest {
            (self.created_before.map(|at| (at, Uuid::nil())), self.created_after.unwrap_or_else(keyset::earliest))
        } else {
            (self.created_after.map(|at| (at, Uuid::max())), self.created_before.unwrap_or(Timestamp::MAX_UTC))
        };
        let first = if newest { keyset::or_latest(first) } else { keyset::or_earliest(first) };
        let dialects: Vec<i16> = self.dialects.iter().map(|dialect| dialect.code()).collect();
        let starts = dialects.iter().map(|dialect| match after {
            None => first,
            Some(AcrossCursor { at, dialect: last, id }) if last == *dialect => (at, id),
            // Of the sessions of the cursor's time, those of the dialects that follow its own are still to come.
            // Postgres counts microseconds.
            Some(AcrossCursor { at, dialect: last, .. }) if newest && *dialect < last => {
                (at + chrono::TimeDelta::microseconds(1), Uuid::nil())
            }
            Some(AcrossCursor { at, .. }) if newest => (at, Uuid::nil()),
            Some(AcrossCursor { at, dialect: last, .. }) if *dialect > last => {
                (at - chrono::TimeDelta::microseconds(1), Uuid::max())
            }
            Some(AcrossCursor { at, .. }) => (at, Uuid::max()),
        });
        let (times, ids) = starts.unzip();
        Start { org, dialects, times, ids, until: last, limit }
    }
}

impl Sessions<'_> {
    /// Returns the nearest sessions after a cursor, at most `limit`, and at most [`MAX_PAGE_BYTES`]. Deleted ones are
    /// among them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn across(
        &self,
        walk: &Walk,
        after: Option<AcrossCursor>,
        limit: i64,
    ) -> Result<Page<Session>, StoreError> {
        let start = walk.start(self.0.org.0, after, limit);
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let page = directed!(walk.order, nearest_rows, start, &mut *transaction);
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }

    /// Looks at the nearest `limit` sessions after a cursor. With a user, only the user's sessions are among them. With an
    /// agent, only sessions of the dialects without an index by agent are among them that are not the agent's.
    ///
    /// # Errors
    /// [`StoreError::OrgBusy`] when the organization's other scans use its permit, [`StoreError::Unavailable`] when the
    /// database cannot be reached.
    pub async fn examine(
        &self,
        walk: &Walk,
        filter: &SessionFilter,
        after: Option<AcrossCursor>,
        limit: i64,
    ) -> Result<Vec<Examined>, StoreError> {
        let start = walk.start(self.0.org.0, after, limit);
        let mut transaction = scope::begin_pooled(self.0.scans(), self.0.org).await?;
        let rows: Vec<ExaminedRow> = if let Some(user) = &filter.user {
            across_user::examine(&mut transaction, self.0.org, walk, user, filter, after, limit).await?
        } else if filter.agent.is_some() {
            directed!(walk.order, nearest_examined_of_agent, start, filter, &mut *transaction)
        } else {
            directed!(walk.order, nearest_examined, start, filter, &mut *transaction)
        };
        transaction.commit().await?;
        let examined = rows.into_iter().map(|row| {
            let unreadable = || StoreError::Unreadable(format!("dialect {}", row.dialect));
            Ok(Examined {
                dialect: DialectName::from_code(row.dialect).ok_or_else(unreadable)?,
                id: SessionId(row.session_id),
                cursor: AcrossCursor { at: row.created_at, dialect: row.dialect, id: row.session_id },
                fits: row.fits,
                is_named: row.is_named,
            })
        });
        examined.collect()
    }

    /// Returns these sessions in their order, at most [`MAX_PAGE_BYTES`]. Those that do not exist are left out.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn read_all(&self, keys: &[(DialectName, SessionId)]) -> Result<Page<Session>, StoreError> {
        let keys: Vec<RowKey> = keys.iter().map(|(dialect, id)| RowKey::new(self.0.org, *dialect, *id)).collect();
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let page = SessionRow::page(&mut transaction, &keys).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        page.try_into_rows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialects_that_follow_the_cursors_own_begin_at_its_time() {
        let at = Timestamp::UNIX_EPOCH;
        let microsecond = chrono::TimeDelta::microseconds(1);
        let cursor = AcrossCursor { at, dialect: 3, id: Uuid::from_u128(7) };
        for (order, expected) in [
            (CreationOrder::Newest, [(at + microsecond, Uuid::nil()), (at, Uuid::from_u128(7)), (at, Uuid::nil())]),
            (CreationOrder::Oldest, [(at, Uuid::max()), (at, Uuid::from_u128(7)), (at - microsecond, Uuid::max())]),
        ] {
            let dialects = vec![DialectName::Agntix, DialectName::AgentKey, DialectName::Messaging];
            let walk = Walk { dialects, order, created_after: None, created_before: None };
            let start = walk.start(Uuid::nil(), Some(cursor), 1);
            let starts: Vec<_> = start.times.into_iter().zip(start.ids).collect();
            assert_eq!(starts, expected, "{order:?}");
        }
    }
}
