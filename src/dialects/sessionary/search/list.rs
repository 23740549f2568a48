//! `GET /sessionary/v1/search`.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{List, Page};
use crate::dialects::sessionary::query::{RawQuery, invalid, once};
use crate::dialects::sessionary::sessions::filters::{self, Filters, SOUGHT};
use crate::dialects::sessionary::sessions::find_many::{self, Found, FoundPage, SearchIn};
use crate::dialects::sessionary::sessions::session::{self, WireSession};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Timestamp;
use crate::store::{AcrossCursor, StoreError, TenantStore};

/// Characters of a name or a description in a result.
const SNIPPET: usize = 240;

/// A session in which the text was found.
#[derive(Serialize, ToSchema)]
pub struct SearchResult {
    session: WireSession,
    /// The newest message that contains it; `null` if the session's name, description or vendor's id does.
    event_number: Option<i64>,
    /// The text around it.
    snippet: String,
}

/// A page of results.
pub(in crate::dialects::sessionary) struct ResultPage {
    pub results: Vec<SearchResult>,
    /// The cursor of each.
    pub cursors: Vec<AcrossCursor>,
    /// The session after which the next page begins; `None` on the last page.
    pub next: Option<AcrossCursor>,
}

/// Returns a page of results.
///
/// # Errors
/// [`StoreError::OrgBusy`] when the organization's other searches use its permit, [`StoreError::Unavailable`] when the
/// database cannot be reached.
pub(in crate::dialects::sessionary) async fn page(
    store: &TenantStore,
    filters: &Filters,
    search_in: SearchIn,
    (limit, after): (usize, Option<AcrossCursor>),
    now: Timestamp,
) -> Result<ResultPage, StoreError> {
    let FoundPage { found, next } = find_many::page(store, filters, search_in, limit, after).await?;
    let cursors = found.iter().map(|found| AcrossCursor::from(&found.session)).collect();
    let mut places = Vec::with_capacity(found.len());
    let mut sessions = Vec::with_capacity(found.len());
    for Found { session, message } in found {
        places.push(match message {
            Some(message) => (Some(message.number), message.snippet),
            None => (None, heading(&session)),
        });
        sessions.push(session);
    }
    let shown = session::all_shown(store, sessions, now).await?;
    let results = shown.into_iter().zip(places);
    let results = results.map(|(session, (event_number, snippet))| SearchResult { session, event_number, snippet });
    Ok(ResultPage { results: results.collect(), cursors, next })
}

/// Returns the beginning of what describes a session.
fn heading(session: &crate::domain::Session) -> String {
    let text = session.name.as_deref().or(session.description.as_deref()).unwrap_or(&session.public_id);
    text.chars().take(SNIPPET).collect()
}

/// Search
///
/// Looks for a text in the names, descriptions, vendors' ids and messages of all sessions, newest session first, ignoring
/// case. A page looks at sessions for 300 milliseconds and at most 10,000 of them, and at the newest 200 messages of
/// each, of at most 256 KiB: it can be short, even empty, and its cursor continues. Messages also need the scope
/// `events:read`.
#[utoipa::path(
    get,
    path = "/sessionary/v1/search",
    params(
        ("q" = String, Query, description = "The text: 1 to 200 characters."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous page."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The results.", body = Page<SearchResult>),
        (status = 429, description = "Another search of the organization is in progress."),
    )
)]
#[tracing::instrument(name = "sessionary.search", level = "debug", skip_all)]
pub async fn search(
    caller: Caller<Sessionary, purpose::ReadSessions>,
    raw: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&raw, caller.store.org(), &[once("q")])?;
    let text = filters::text(list.query())?.ok_or_else(|| invalid("q", SOUGHT))?;
    let (filters, search_in) = (Filters::of_text(text, caller.now()), SearchIn::permitted(caller.principal.scopes));
    let page = page(&caller.store, &filters, search_in, (list.limit, list.after()?), caller.now()).await?;
    Ok(list.page(page.results, page.next))
}
