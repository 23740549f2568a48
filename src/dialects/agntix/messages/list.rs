//! `GET /v1/chat/chat/sessions/{sessionId}/messages` (docs/dialects/agntix.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::messages::message::ChatMessage;
use crate::dialects::agntix::paging::{self, Pagination, Paging};
use crate::dialects::agntix::sessions::session;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::dialects::shared::document::LenientInteger;
use crate::domain::{Event, Timestamp};
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
    let paging = Paging::read(&pairs, DEFAULT_LIMIT)?;
    let sessions = caller.store.sessions();
    let events = sessions.events(&session);
    let began = paging.after.map(number_of).transpose()?.unwrap_or_default();
    // Messages are numbered from 1 without gaps, so the numbers give the pages, and the last number is the total.
    let total = (events.last_number().await? - began).max(0);
    let after = began + paging.skip();
    let window = EventWindow { after_number: Some(after), ..EventWindow::default() };
    let Page { rows, cut } =
        if paging.skip() < total { events.oldest(&window, paging.limit).await? } else { Page::empty() };
    let next = rows.last().filter(|_| cut).map(cursor_of);
    let data = rows.into_iter().map(ChatMessage::from).collect();
    Ok(Reply(StatusCode::OK, MessageList { data, pagination: Pagination::new(paging, total, next) }))
}

/// Returns the cursor of a message, which contains the message's number instead of an id.
fn cursor_of(event: &Event) -> (Timestamp, Uuid) {
    (event.created_at, Uuid::from_u128(u128::from(event.number.unsigned_abs())))
}

fn number_of((_, id): (Timestamp, Uuid)) -> Result<i64, AgntixError> {
    // A larger number could overflow when the rows of the skipped pages are added.
    let number = i64::try_from(id.as_u128()).ok().filter(|number| *number <= i64::MAX / 4);
    number.ok_or_else(paging::invalid_cursor)
}
