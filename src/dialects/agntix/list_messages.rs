//! `GET /v1/chat/chat/sessions/{sessionId}/messages` (apis/agntix, section 6.2).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Envelope;
use super::message::ChatMessage;
use super::paging::{Pagination, Paging};
use super::{Agntix, AgntixError, session};
use crate::auth::{Caller, purpose};
use crate::dialects::document::LenientInteger;
use crate::http::{PathOf, QueryPairs, Reply};
use crate::store::EventWindow;

const DEFAULT_LIMIT: i64 = 50;

#[derive(Serialize, ToSchema)]
pub struct MessageList {
    /// Oldest first.
    data: Vec<ChatMessage>,
    pagination: Pagination,
}

/// List messages
///
/// Oldest first, also of sessions that are closed or have expired. Also at
/// `/api/v1/chat/sessions/{sessionId}/messages`.
#[utoipa::path(
    get,
    path = "/v1/chat/chat/sessions/{sessionId}/messages",
    params(
        ("sessionId" = String, Path, description = "The session's id, `ses_…`."),
        ("page" = Option<LenientInteger>, Query, description = "From 1; what is out of bounds is moved to the nearer end."),
        ("limit" = Option<LenientInteger>, Query, description = "1 to 100, 50 unless given; also `pageSize`."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The messages.", body = MessageList),
        (status = 401, description = "No credential, or none that holds.", body = Envelope),
        (status = 404, description = "No such session in this organization.", body = Envelope),
    )
)]
#[tracing::instrument(name = "agntix.list_messages", level = "debug", skip_all)]
pub async fn list_messages(
    caller: Caller<Agntix, purpose::ReadEvents>,
    path: PathOf<Agntix, String>,
    pairs: QueryPairs,
) -> Result<Reply<MessageList>, AgntixError> {
    let session = session::find(&caller, &path.0).await?;
    let paging = Paging { behind: None, ..Paging::read(&pairs, DEFAULT_LIMIT)? };
    let sessions = caller.store.sessions();
    let events = sessions.events(&session);
    // Numbered from 1 without gaps, so the numbers are the pages and the last is the total.
    let newest = events.newest(&EventWindow::default(), 1).await?;
    let total = newest.first().map_or(0, |event| event.number);
    let window = EventWindow { after_number: Some(paging.skip()), ..EventWindow::default() };
    let found = if paging.skip() < total { events.oldest(&window, paging.limit).await? } else { Vec::new() };
    let data = found.into_iter().map(ChatMessage::from).collect();
    Ok(Reply(StatusCode::OK, MessageList { data, pagination: Pagination::new(paging, total, None) }))
}
