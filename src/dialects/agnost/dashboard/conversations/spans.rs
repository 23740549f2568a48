//! `POST /dashboard/api/conversation-spans` (docs/dialects/agnost.md). The vendor's page shows no body; this one is
//! this service's own.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::contract::ID_LIMIT;
use crate::dialects::agnost::dashboard::conversations::hierarchy::{Span, hierarchy};
use crate::dialects::agnost::dashboard::conversations::query::{ConversationQuery, find};
use crate::dialects::agnost::events::event::event_id;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::{JsonField, Session};
use crate::http::{JsonBody, Reply};
use crate::store::{MAX_PAGE_BYTES, PageLimit};

/// Events in one hierarchy.
const MAX_SPANS: i64 = 10_000;

/// A conversation's events as a hierarchy of calls.
#[derive(Serialize, ToSchema)]
pub struct Spans {
    conversation_id: Uuid,
    session_id: String,
    /// Every event after its parent and before its children; `depth` is its level.
    spans: Vec<Span>,
    /// Whether the response has all events. A hierarchy has at most 10,000 events and 4 MiB.
    complete: bool,
    /// The `cursor` of `conversation-spans` for the next events. They form a separate hierarchy: an event whose parent
    /// was in an earlier response is at the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The events of a hierarchy: those after a number, up to a number of bytes.
pub struct SpanPage {
    pub(super) after: i64,
    pub(super) bytes: usize,
}

pub async fn spans(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    session: Session,
    around: Option<Uuid>,
    SpanPage { after, bytes }: SpanPage,
) -> Result<Spans, AgnostError> {
    let limit = PageLimit::rows(MAX_SPANS + 1).within(bytes);
    let mut page = caller.store.captures().spans_of(session.id, after, limit).await?;
    let more = page.truncate(MAX_SPANS as usize);
    let next_cursor = page.rows.last().filter(|_| more).map(|row| row.number.to_string());
    let spans = hierarchy(page.rows, around).ok_or(AgnostError::Missing("Event"))?;
    Ok(Spans {
        conversation_id: session.id.0,
        session_id: session.public_id,
        spans,
        complete: after == 0 && !more,
        next_cursor,
    })
}

/// Conversation spans
///
/// The hierarchy of the conversation's events.
#[utoipa::path(
    post,
    path = "/dashboard/api/conversation-spans",
    request_body = ConversationQuery,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The hierarchy.", body = Spans),
        (status = 404, description = "No such conversation, or no such event in it."),
    )
)]
#[tracing::instrument(name = "agnost.conversation_spans", level = "debug", skip_all)]
pub async fn conversation_spans(
    caller: Caller<Agnost, purpose::ReadEvents>,
    query: JsonBody<Agnost, ConversationQuery>,
) -> Result<Reply<Spans>, AgnostError> {
    let around = match &query.0.event_id {
        JsonField::Absent | JsonField::Null => None,
        JsonField::String(id) if !id.is_empty() && id.len() <= ID_LIMIT => {
            Some(event_id(query.0.conversation()?, id).0)
        }
        _ => return Err(AgnostError::Invalid("event_id must be the id of an event")),
    };
    let session = find(&caller, &query.0).await?;
    let page = SpanPage { after: query.0.after()?, bytes: MAX_PAGE_BYTES };
    Ok(Reply(StatusCode::OK, spans(&caller, session, around, page).await?))
}
