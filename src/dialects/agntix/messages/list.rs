//! `GET /v1/chat/chat/sessions/{sessionId}/messages` (docs/dialects/agntix.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::messages::message::ChatMessage;
use crate::dialects::agntix::paging::{Pagination, Paging};
use crate::dialects::agntix::sessions::session;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::cursor::EventNumber;
use crate::dialects::shared::document::LenientInteger;
use crate::http::{PathOf, QueryPairs, Reply};
use crate::store::{EventWindow, Page};

const DEFAULT_LIMIT: i64 = 50;

#[derive(Serialize, ToSchema)]
pub struct MessageList {
    /// Oldest first.
    data: Vec<ChatMessage>,
    pagination: Pagination,
}

/// List messages
///
/// Oldest first, also of sessions that are closed or have expired. A page has at most 4 MiB; if it is cut,
/// `pagination.nextCursor` continues it. The cut does not move the next `page`. Also at
/// `/api/v1/chat/sessions/{sessionId}/messages`.
#[utoipa::path(
    get,
    path = "/v1/chat/chat/sessions/{sessionId}/messages",
    params(
        ("sessionId" = String, Path, description = "The session's id, `ses_…`."),
        ("page" = Option<LenientInteger>, Query, description = "From 1; a number out of bounds is moved to the nearest bound."),
        ("limit" = Option<LenientInteger>, Query, description = "1 to 100, by default 50; also `pageSize`."),
        ("cursor" = Option<String>, Query, description = "`pagination.nextCursor` of an earlier response; pages are counted from there."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The messages.", body = MessageList),
    )
)]
#[tracing::instrument(name = "agntix.list_messages", level = "debug", skip_all)]
pub async fn list_messages(
    caller: Caller<Agntix, purpose::ReadEvents>,
    path: PathOf<Agntix, String>,
    pairs: QueryPairs,
) -> Result<Reply<MessageList>, AgntixError> {
    let session = session::find(&caller, &path.0).await?;
    let paging: Paging<EventNumber> = Paging::read(&pairs, DEFAULT_LIMIT)?;
    let sessions = caller.store.sessions();
    let events = sessions.events(&session);
    let began = paging.after.map_or(0, |after| after.0);
    // Messages are numbered from 1 without gaps, so the numbers give the pages, and the last number is the total.
    let total = (events.last_number().await? - began).max(0);
    let after = began + paging.skip();
    let window = EventWindow { after_number: Some(after), ..EventWindow::default() };
    let Page { rows, cut } =
        if paging.skip() < total { events.oldest(&window, paging.limit).await? } else { Page::empty() };
    let next = rows.last().filter(|_| cut).map(|last| EventNumber(last.number));
    let data = rows.into_iter().map(ChatMessage::from).collect();
    Ok(Reply(StatusCode::OK, MessageList { data, pagination: Pagination::new(paging, total, next) }))
}
