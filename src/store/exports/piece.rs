//! Reads one piece of an export.

use std::collections::HashMap;

use futures::TryStreamExt;
use uuid::Uuid;

use super::rows::{SessionWithCounter, agents, events, of_agent, of_user, sessions, the_session};
use super::{ExportFilter, ExportPiece, ExportPosition, ExportedEvent, ExportedPart};
use crate::domain::{DialectName, EventId};
use crate::store::bytes::{Page, Weighed};
use crate::store::captures::read_carried;
use crate::store::{StoreError, TenantStore, keyset, scope};

/// Sessions of a piece.
const SESSIONS: i64 = 100;
/// Pages of sessions that a piece looks at, if none of them matches.
const PAGES: usize = 20;
/// Bytes of a piece. It has at most one event more.
pub(super) const BYTES: usize = 1024 * 1024;
/// Events that a piece reads.
const EVENTS: i64 = 400;

/// A session of which events are to be read.
struct Begun {
    row: SessionWithCounter,
    /// The last event that was exported before, or 0.
    after: i64,
    /// The last event that belongs to the export of the session.
    until: i64,
    is_first: bool,
}

/// Reads the next piece after a position.
pub(super) async fn read(
    store: &TenantStore,
    filter: &ExportFilter,
    after: Option<ExportPosition>,
) -> Result<ExportPiece, StoreError> {
    let org = store.org;
    if let Some(position) = after
        && let Some((number, last)) = position.within
    {
        let mut transaction = scope::begin_in_turn(store.scans(), org).await?;
        let found = the_session(&mut transaction, org, position).await?;
        transaction.commit().await?;
        // A session that was deleted meanwhile has no further events.
        if let Some(row) = found {
            return parts(store, vec![Begun { row, after: number, until: last, is_first: false }]).await;
        }
    }
    let mut next = after;
    for _ in 0..PAGES {
        let Page { rows, .. } = match &filter.user {
            Some(user) => {
                let mut transaction = scope::begin_in_turn(store.scans(), org).await?;
                let page = of_user(&mut transaction, org, user, filter, next, SESSIONS).await?;
                if !page.cut {
                    transaction.commit().await?;
                }
                if page.rows.is_empty() {
                    return Ok(ExportPiece::end());
                }
                page
            }
            None => {
                let Some(dialect) = dialect_after(filter, next) else { return Ok(ExportPiece::end()) };
                let mut transaction = scope::begin_in_turn(store.scans(), org).await?;
                let mut page = match filter.agent.filter(|_| dialect != DialectName::Messaging) {
                    Some(agent) => of_agent(&mut transaction, org, dialect, agent, filter, next, SESSIONS).await?,
                    // Messaging has no index by agent.
                    None => sessions(&mut transaction, org, dialect, filter, next, SESSIONS).await?,
                };
                if !page.cut {
                    transaction.commit().await?;
                }
                page.rows.retain(|row| filter.created_before.is_none_or(|end| row.created_at < end));
                if page.rows.is_empty() {
                    next = Some(ExportPosition::after_all_of(dialect));
                    continue;
                }
                page
            }
        };
        let last = rows.last().map(|row| row.position(None));
        let mut left = EVENTS;
        let mut begun: Vec<Begun> = Vec::new();
        for row in rows {
            let until = row.last_number.unwrap_or_default();
            let is_other_dialect = filter.dialects.iter().all(|dialect| dialect.code() != row.dialect);
            if is_other_dialect || filter.agent.is_some_and(|agent| row.agent_id != Some(agent.0)) {
                continue;
            }
            if left <= 0 {
                return parts(store, begun).await;
            }
            left -= until;
            begun.push(Begun { after: 0, until, is_first: true, row });
        }
        if begun.is_empty() {
            // All of them are of other dialects or agents.
            next = last;
            continue;
        }
        return parts(store, begun).await;
    }
    Ok(ExportPiece { parts: Vec::new(), next })
}

impl ExportPiece {
    fn end() -> Self {
        Self { parts: Vec::new(), next: None }
    }
}

/// Returns the dialect whose sessions come after a position.
fn dialect_after(filter: &ExportFilter, after: Option<ExportPosition>) -> Option<DialectName> {
    let mut dialects = filter.dialects.iter().copied();
    match after {
        None => dialects.next(),
        Some(position) if position.is_after_all() => dialects.find(|dialect| dialect.code() > position.dialect),
        Some(position) => dialects.find(|dialect| dialect.code() >= position.dialect),
    }
}

impl ExportPosition {
    /// Returns the position after all sessions of a dialect.
    fn after_all_of(dialect: DialectName) -> Self {
        let (created_at, id) = keyset::or_latest(None);
        Self { dialect: dialect.code(), created_at, id, within: None }
    }

    fn is_after_all(&self) -> bool {
        (self.created_at, self.id) >= keyset::or_latest(None)
    }
}

/// Notes how the captured events belong to their traces.
async fn name_spans(
    store: &TenantStore,
    found: &mut HashMap<(i16, Uuid), Vec<ExportedEvent>>,
) -> Result<(), StoreError> {
    let captured: Vec<&mut ExportedEvent> = found.values_mut().flatten().filter(|one| one.facts.is_some()).collect();
    if captured.is_empty() {
        return Ok(());
    }
    let ids: Vec<EventId> = captured.iter().map(|one| one.event.id).collect();
    let mut transaction = scope::begin_in_turn(store.scans(), store.org).await?;
    let mut spans = read_carried(&mut transaction, store.org, &ids).await?;
    transaction.commit().await?;
    for one in captured {
        one.span = spans.remove(&one.event.id);
    }
    Ok(())
}

/// Reads the events of these sessions, as far as they fit. Returns the sessions whose events were read, of which the
/// last one may continue.
async fn parts(store: &TenantStore, begun: Vec<Begun>) -> Result<ExportPiece, StoreError> {
    let org = store.org;
    let mut transaction = scope::begin_in_turn(store.scans(), org).await?;
    let agents =
        agents(&mut transaction, org, &begun.iter().filter_map(|one| one.row.agent_id).collect::<Vec<_>>()).await?;
    let eventful: Vec<&Begun> = begun.iter().filter(|one| one.until > one.after).collect();
    let mut found: HashMap<(i16, Uuid), Vec<ExportedEvent>> = HashMap::new();
    // The session whose next event did not fit.
    let mut unfinished: Option<(i16, Uuid)> = None;
    let mut left = BYTES;
    if !eventful.is_empty() {
        let dialects: Vec<i16> = eventful.iter().map(|one| one.row.dialect).collect();
        let ids: Vec<Uuid> = eventful.iter().map(|one| one.row.session_id).collect();
        let after: Vec<i64> = eventful.iter().map(|one| one.after).collect();
        let until: Vec<i64> = eventful.iter().map(|one| one.until).collect();
        let mut rows = events!(org, &dialects, &ids, &after, &until, EVENTS).fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await? {
            let key = (row.dialect, row.session_id);
            let weight = row.weight();
            if weight > left && left < BYTES {
                unfinished = Some(key);
                break;
            }
            left = left.saturating_sub(weight);
            let events = found.entry(key).or_default();
            events.push(row.try_into()?);
            if events.len() as i64 >= EVENTS {
                // There may be more of this session than the statement reads.
                unfinished = Some(key);
                break;
            }
        }
    }
    if unfinished.is_none() {
        transaction.commit().await?;
    } else {
        // Its rows were not all read. The next transaction waits for the permit of this one.
        drop(transaction);
    }
    name_spans(store, &mut found).await?;
    let mut parts = Vec::with_capacity(begun.len());
    for Begun { row, until, is_first, .. } in begun {
        let key = (row.dialect, row.session_id);
        let is_unfinished = unfinished == Some(key);
        let events = found.remove(&key).unwrap_or_default();
        if is_unfinished && events.is_empty() {
            break;
        }
        let last = events.last().map(|last| last.event.number);
        let continues = is_unfinished && last.is_some_and(|last| last < until);
        let position = row.position(last.filter(|_| continues).map(|last| (last, until)));
        let agent = row.agent_id.and_then(|id| agents.get(&id).cloned());
        let last_event = row.last_number.zip(row.last_at);
        parts.push(ExportedPart { agent, last_event, is_first, events, continues, position, session: row.try_into()? });
        if is_unfinished {
            break;
        }
    }
    Ok(ExportPiece { next: parts.last().map(|last| last.position), parts })
}
