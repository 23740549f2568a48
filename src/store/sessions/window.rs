//! Determines which sessions a list reads, and counts those that match.

use uuid::Uuid;

use super::query::{Parameters, SessionCursor, SessionQuery, WINDOW};
use super::sql::{filtered_times, newest, simultaneous, times, walk};
use crate::domain::session::State;
use crate::domain::{AgentId, DialectName, OrgId, SessionId, Timestamp};
use crate::store::scope::PooledTransaction;
use crate::store::{Sessions, StoreError};

/// Identifies the sessions that a query reads, whatever the page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowKey {
    org: OrgId,
    dialect: DialectName,
    agent: Option<AgentId>,
    kind: Option<String>,
    state: Option<State>,
    after: Option<SessionCursor>,
    is_oldest_first: bool,
    reach: i64,
}

/// Facts about the sessions that a query reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    /// How many of them match.
    pub total: i64,
    /// How many there are.
    pub seen: i64,
    /// The last one, if there may be more after it.
    pub end: Option<SessionCursor>,
    /// The time of the nearest one.
    pub first: Option<Timestamp>,
    /// The time of the farthest one that matches; of the nearest one if none does.
    pub farthest: Option<Timestamp>,
}

/// The nearest sessions, by their times.
struct Times {
    seen: i64,
    /// How many of them match.
    total: i64,
    /// The time of the last one, if there are as many as the limit.
    last: Option<Timestamp>,
    /// How many of them have that time.
    of_last: Option<i64>,
    /// The time of the nearest one.
    first: Option<Timestamp>,
    /// The times of those that match, if not all do.
    oldest_fit: Option<Timestamp>,
    newest_fit: Option<Timestamp>,
}

/// A session among those of the same time.
struct Simultaneous {
    session_id: Uuid,
    /// Whether it matches the filters.
    fits: bool,
}

impl SessionQuery<'_> {
    pub(super) fn window_key(&self, org: OrgId) -> WindowKey {
        WindowKey {
            org,
            dialect: self.dialect,
            agent: self.agent,
            kind: self.kind.map(str::to_owned),
            state: self.state,
            after: self.after,
            is_oldest_first: self.order.is_oldest_first(),
            reach: self.reach(),
        }
    }
}

impl Sessions<'_> {
    /// Counts the sessions that a query reads and those that match, unless the counts are cached.
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
        let others = (query.reach() - same_time.len() as i64).max(1);
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
        let farthest = if query.order.is_oldest_first() { times.newest_fit } else { times.oldest_fit };
        let first = same_time.first().and(query.after).map(|(at, _)| at).or(times.first);
        let window = Window { total, seen: times.seen, end, first, farthest: farthest.or(first) };
        self.0.counts().windows.insert(key, window, times.seen);
        Ok(window)
    }

    /// Returns the sessions after the cursor that have its time.
    async fn behind_at_its_time(
        &self,
        transaction: &mut PooledTransaction,
        query: &SessionQuery<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Simultaneous>, StoreError> {
        let Some((at, id)) = query.after else { return Ok(Vec::new()) };
        let connection = &mut **transaction;
        let mut sessions = newest!(parameters, simultaneous, connection, at);
        let is_oldest_first = query.order.is_oldest_first();
        sessions.retain(|session| if is_oldest_first { session.session_id > id.0 } else { session.session_id < id.0 });
        Ok(sessions)
    }

    /// Moves the cursor of a far page to its first session, by times that are read from the index alone. Returns
    /// `false` if there is no such session.
    pub(super) async fn skip(
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
}
