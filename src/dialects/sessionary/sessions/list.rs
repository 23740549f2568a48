//! `GET /sessionary/v1/sessions`.

use axum::response::Response;

use super::filters::{FILTERS, Filters};
use super::find_many::{self, SearchIn};
use super::session::{self, WireSession};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::Session;

/// List sessions
///
/// The sessions of all dialects, by their time of creation. Indexes serve `user_id`, `dialect`, `agent_id` and the times;
/// the other filters are applied to one of the sessions found by these after the other, for 300 milliseconds and to at
/// most 10,000 sessions a page: a page can be short, even empty, and its cursor continues.
#[utoipa::path(
    get,
    path = "/sessionary/v1/sessions",
    params(
        ("dialect" = Option<Vec<String>>, Query, description = "Sessions of these dialects, separated by commas."),
        ("agent_id" = Option<uuid::Uuid>, Query, description = "Sessions with this agent."),
        ("user_id" = Option<String>, Query, description = "Sessions of this user."),
        ("state" = Option<String>, Query, description = "`open`, `expired` or `ended`."),
        ("kind" = Option<String>, Query, description = "The dialect's word for how the session came about."),
        ("created_after" = Option<String>, Query, description = "Sessions that were created after this time."),
        ("created_before" = Option<String>, Query, description = "Sessions that were created before this time."),
        ("metadata" = Option<String>, Query, description = "A condition over the metadata; its grammar is in docs/metadata-filter.md."),
        ("q" = Option<String>, Query, description = "A text in the name, the description, the vendor's id or a message, ignoring case. Of each session, the newest 200 messages of at most 256 KiB are read. Messages also need the scope `events:read`."),
        ("order" = Option<String>, Query, description = "`newest` (the default) or `oldest`."),
        ("limit" = Option<i64>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the previous page."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", body = Page<WireSession>),
        (status = 429, description = "Another search of the organization is in progress."),
    )
)]
#[tracing::instrument(name = "sessionary.list_sessions", level = "debug", skip_all)]
pub async fn list_sessions(
    caller: Caller<Sessionary, purpose::ReadSessions>,
    raw: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&raw, caller.store.org(), &FILTERS)?;
    let filters = Filters::of(list.query(), caller.now())?;
    let search_in = SearchIn::permitted(caller.principal.scopes);
    let page = find_many::page(&caller.store, &filters, search_in, list.limit, list.after()?).await?;
    let sessions: Vec<Session> = page.found.into_iter().map(|found| found.session).collect();
    let data = session::all_shown(&caller.store, sessions, caller.now()).await?;
    Ok(list.page(data, page.next))
}
