//! `GET /sessionary/v1/sessions/{session_id}/events`.

use axum::response::Response;

use super::wire::{self, WireEvent};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{List, Page};
use crate::dialects::sessionary::query::{RawQuery, invalid, once};
use crate::dialects::sessionary::sessions::session;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::{Event, Session};
use crate::http::PathOf;
use crate::store::{self, CreationOrder, EventWindow, MAX_PAGE_BYTES, StoreError, TenantStore};

/// Returns the events after a number in an order, at most `limit` and at most `bytes`.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached.
pub(in crate::dialects::sessionary) async fn page(
    store: &TenantStore,
    session: &Session,
    order: CreationOrder,
    after: Option<i64>,
    (limit, bytes): (usize, usize),
) -> Result<store::Page<Event>, StoreError> {
    let events = store.sessions().events(session);
    let all = EventWindow { hidden: true, ..EventWindow::default() };
    let asked = limit as i64 + 1;
    let mut page = match order {
        CreationOrder::Oldest => events.oldest(&EventWindow { after_number: after, ..all }, asked).await?,
        CreationOrder::Newest => events.newest(&EventWindow { before_number: after, ..all }, asked).await?,
    };
    page.cut = page.truncate(limit);
    wire::cut(&mut page, bytes);
    Ok(page)
}

/// List events
///
/// The events of a session by their number, those that its dialect hides included. `messages` has what each says, in one
/// form over all dialects. A page has at most 4 MiB.
#[utoipa::path(
    get,
    path = "/sessionary/v1/sessions/{session_id}/events",
    params(
        ("session_id" = String, Path, description = "The session's id over all dialects."),
        ("order" = Option<String>, Query, description = "`oldest` (the default) or `newest`."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous page."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The events.", body = Page<WireEvent>))
)]
#[tracing::instrument(name = "sessionary.list_events", level = "debug", skip_all)]
pub async fn list_events(
    caller: Caller<Sessionary, purpose::ReadEvents>,
    path: PathOf<Sessionary, String>,
    raw: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&raw, caller.store.org(), &[once("order")])?;
    let order = match list.query().text("order") {
        None | Some("oldest") => CreationOrder::Oldest,
        Some("newest") => CreationOrder::Newest,
        Some(_) => return Err(invalid("order", "must be oldest or newest")),
    };
    let after = list.after()?;
    let session = session::find(&caller.store, &path.0).await?;
    let page = page(&caller.store, &session, order, after, (list.limit, MAX_PAGE_BYTES)).await?;
    let next = page.rows.last().map(|last| last.number).filter(|_| page.cut);
    let data: Vec<WireEvent> = page.rows.into_iter().map(|event| WireEvent::new(session.dialect, event)).collect();
    Ok(list.page(data, next))
}
