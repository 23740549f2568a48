//! Pages of sessions that match filters.
//!
//! Filters that no index serves are applied to one session after the other, up to a time and a number of sessions. A
//! page that ends there is short, and its cursor continues after the last session that was looked at.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::filters::Filters;
use crate::domain::{DialectName, Scope, Scopes, Session, SessionId};
use crate::store::{AcrossCursor, Examined, StoreError, TenantStore, TextMatch};

/// How long a filtered page looks at sessions.
const SCAN_TIME: Duration = Duration::from_millis(300);
/// Sessions that a page looks at.
const MAX_EXAMINED: usize = 10_000;
/// Sessions that one statement looks at.
const CHUNK: usize = 1_000;
/// The same, if their metadata or messages are read.
const SMALL_CHUNK: usize = 200;
/// Sessions whose messages one statement reads.
const READ_AT_ONCE: usize = 50;

/// Whether a text is looked for in messages too, or only in what describes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialects::sessionary) enum SearchIn {
    Descriptions,
    Messages,
}

impl SearchIn {
    /// Returns where a caller may look for a text.
    pub fn permitted(scopes: Scopes) -> Self {
        if scopes.has(Scope::EventsRead) { Self::Messages } else { Self::Descriptions }
    }
}

/// A session that matches.
pub(in crate::dialects::sessionary) struct Found {
    pub session: Session,
    /// The message that contains the text; `None` if its name, its description or its id does, or none was looked for.
    pub message: Option<TextMatch>,
}

/// A page of them.
pub(in crate::dialects::sessionary) struct FoundPage {
    pub found: Vec<Found>,
    /// The session after which the next page begins; `None` on the last page.
    pub next: Option<AcrossCursor>,
}

/// Returns the sessions after a cursor that match, at most `limit`.
///
/// # Errors
/// [`StoreError::OrgBusy`] when the organization's other searches use its permit, [`StoreError::Unavailable`] when the
/// database cannot be reached.
pub(in crate::dialects::sessionary) async fn page(
    store: &TenantStore,
    filters: &Filters,
    search_in: SearchIn,
    limit: usize,
    after: Option<AcrossCursor>,
) -> Result<FoundPage, StoreError> {
    if filters.is_empty() || filters.only_user().is_some() {
        along_an_index(store, filters, limit, after).await
    } else {
        let began = Instant::now();
        let captured = captured_with_text(store, filters, search_in).await?;
        Scan { store, filters, search_in, limit, began, captured }.page(after).await
    }
}

/// Returns the sessions of all users, or of one: an index serves both.
async fn along_an_index(
    store: &TenantStore,
    filters: &Filters,
    limit: usize,
    mut after: Option<AcrossCursor>,
) -> Result<FoundPage, StoreError> {
    let (began, mut examined) = (Instant::now(), 0);
    loop {
        let (rows, is_cut) = match filters.only_user() {
            None => {
                let page = store.sessions().across(&filters.walk, after, limit as i64 + 1).await?;
                (page.rows, page.cut)
            }
            Some(user) => {
                let page = store.users().sessions(user, after, limit as i64 + 1).await?;
                (page.sessions, page.next.is_some())
            }
        };
        examined += rows.len();
        let has_more = is_cut || rows.len() > limit;
        after = rows.iter().take(limit).next_back().map(AcrossCursor::from).or(after);
        let sessions = rows.into_iter().take(limit).filter(|session| !super::session::is_deleted(session));
        let found: Vec<Found> = sessions.map(|session| Found { session, message: None }).collect();
        // A page without any session but deleted ones helps no one.
        let is_over = began.elapsed() > SCAN_TIME || examined >= MAX_EXAMINED;
        if !has_more || !found.is_empty() || is_over {
            return Ok(FoundPage { found, next: after.filter(|_| has_more) });
        }
    }
}

/// Returns the captured sessions whose messages may contain the text of the filter, or `None` if those of all sessions have
/// to be read.
async fn captured_with_text(
    store: &TenantStore,
    filters: &Filters,
    search_in: SearchIn,
) -> Result<Option<HashSet<SessionId>>, StoreError> {
    match &filters.filter.text {
        Some(text) if search_in == SearchIn::Messages && filters.walk.dialects.contains(&DialectName::Agnost) => {
            store.captures().sessions_with_text(text).await
        }
        _ => Ok(None),
    }
}

struct Scan<'s> {
    store: &'s TenantStore,
    filters: &'s Filters,
    search_in: SearchIn,
    limit: usize,
    began: Instant,
    /// The captured sessions whose messages are read; `None` for all.
    captured: Option<HashSet<SessionId>>,
}

/// A session that matches, before it is read.
type Match = (Examined, Option<TextMatch>);

impl Scan<'_> {
    async fn page(&self, mut after: Option<AcrossCursor>) -> Result<FoundPage, StoreError> {
        let Self { filters, limit, .. } = *self;
        let reads_messages = filters.filter.text.is_some()
            && !(self.captured.is_some() && filters.walk.dialects == [DialectName::Agnost]);
        let reads_texts = filters.metadata.is_some() || reads_messages;
        let chunk = if reads_texts { SMALL_CHUNK } else { CHUNK };
        let (mut matches, mut total): (Vec<Match>, usize) = (Vec::new(), 0);
        let has_more = loop {
            let sessions = self.store.sessions();
            let examined = sessions.examine(&filters.walk, &filters.filter, after, chunk as i64).await?;
            total += examined.len();
            let is_last = examined.len() < chunk;
            let end = examined.last().map(|last| last.cursor);
            let fitting = self.fitting(examined).await?;
            let reached = self.look_for_text(fitting, &mut matches).await?;
            after = reached.or(end).or(after);
            if matches.len() > limit {
                matches.truncate(limit);
                after = matches.last().map(|(last, _)| last.cursor);
                break true;
            }
            if reached.is_some() {
                break true;
            }
            if is_last || self.is_over() || total >= MAX_EXAMINED {
                break !is_last;
            }
        };
        self.read(matches, after.filter(|_| has_more)).await
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() > SCAN_TIME
    }

    /// Returns those that match the filters but for the text.
    async fn fitting(&self, examined: Vec<Examined>) -> Result<Vec<Examined>, StoreError> {
        let mut fitting: Vec<Examined> = examined.into_iter().filter(|session| session.fits).collect();
        let Some(metadata) = &self.filters.metadata else { return Ok(fitting) };
        let mut matching: HashSet<(DialectName, SessionId)> = HashSet::new();
        for dialect in &self.filters.walk.dialects {
            let own = fitting.iter().filter(|session| session.dialect == *dialect);
            let ids: Vec<SessionId> = own.map(|session| session.id).collect();
            if !ids.is_empty() {
                let found = self.store.sessions().with_metadata(*dialect, &ids, metadata).await?;
                matching.extend(found.into_iter().map(|id| (*dialect, id)));
            }
        }
        fitting.retain(|session| matching.contains(&(session.dialect, session.id)));
        Ok(fitting)
    }

    /// Returns whether the messages of a session have to be read.
    fn may_contain_text(&self, session: &Examined) -> bool {
        let captured = self.captured.as_ref().filter(|_| session.dialect == DialectName::Agnost);
        captured.is_none_or(|captured| captured.contains(&session.id))
    }

    /// Adds those with the text. Returns the last one that was looked at, if the time or the page ended before all were.
    async fn look_for_text(
        &self,
        fitting: Vec<Examined>,
        matches: &mut Vec<Match>,
    ) -> Result<Option<AcrossCursor>, StoreError> {
        let Some(text) = &self.filters.filter.text else {
            matches.extend(fitting.into_iter().map(|session| (session, None)));
            return Ok(None);
        };
        if self.search_in == SearchIn::Descriptions {
            matches.extend(fitting.into_iter().filter(|session| session.is_named).map(|session| (session, None)));
            return Ok(None);
        }
        let mut pieces = fitting.chunks(READ_AT_ONCE).peekable();
        while let Some(piece) = pieces.next() {
            let others = piece.iter().filter(|session| !session.is_named && self.may_contain_text(session));
            let others: Vec<(DialectName, SessionId)> = others.map(|session| (session.dialect, session.id)).collect();
            let found = self.store.sessions().events_with_text(&others, text).await?;
            let mut found: HashMap<(DialectName, SessionId), TextMatch> =
                others.into_iter().zip(found).filter_map(|(key, found)| Some((key, found?))).collect();
            matches.extend(piece.iter().filter_map(|session| match found.remove(&(session.dialect, session.id)) {
                Some(message) => Some((*session, Some(message))),
                None => session.is_named.then_some((*session, None)),
            }));
            if pieces.peek().is_some() && (self.is_over() || matches.len() > self.limit) {
                return Ok(piece.last().map(|last| last.cursor));
            }
        }
        Ok(None)
    }

    /// Reads the sessions that match.
    async fn read(&self, matches: Vec<Match>, next: Option<AcrossCursor>) -> Result<FoundPage, StoreError> {
        let keys: Vec<(DialectName, SessionId)> =
            matches.iter().map(|(session, _)| (session.dialect, session.id)).collect();
        let mut messages: HashMap<(DialectName, SessionId), TextMatch> = matches
            .into_iter()
            .filter_map(|(session, message)| Some(((session.dialect, session.id), message?)))
            .collect();
        let page = self.store.sessions().read_all(&keys).await?;
        let next = if page.cut { page.rows.last().map(AcrossCursor::from) } else { next };
        let found = page
            .rows
            .into_iter()
            .map(|session| Found { message: messages.remove(&(session.dialect, session.id)), session });
        Ok(FoundPage { found: found.collect(), next })
    }
}
