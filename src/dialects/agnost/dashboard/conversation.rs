//! `POST /dashboard/api/conversation-messages`, `conversation-spans`, `conversation-detail` and `event-io`
//! (docs/dialects/agnost.md): one conversation, and one event. The vendor's page only shows the body of
//! `conversation-detail`; the others are this service's own.

use std::collections::HashMap;

use axum::extract::Request;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::contract::ID_LIMIT;
use super::super::events::event::{CapturedEvent, event_id};
use super::super::sessions::implied::is_implied;
use super::super::{Agnost, AgnostError};
use super::spans::{Span, hierarchy};
use crate::auth::{Caller, purpose};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::ids::parse_hyphenated_uuid;
use crate::domain::{DialectName, JsonField, JsonText, Session, SessionId, Timestamp};
use crate::http::{JsonBody, Reply, json_bytes, parse_object};
use crate::store::{CapturedRow, MAX_PAGE_BYTES, PageLimit, Weighed};

/// Events in one response, of at most [`MAX_PAGE_BYTES`]; `next_cursor` continues the list.
const MAX_MESSAGES: i64 = 1_000;
/// Events in one hierarchy.
const MAX_SPANS: i64 = 10_000;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ConversationQuery {
    /// The conversation's UUID, or its id as it was captured.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    conversation_id: JsonField,
    /// Only for `conversation-spans`: returns this event, its ancestors and its descendants.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    event_id: JsonField,
    /// The `next_cursor` of the previous response.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    cursor: JsonField,
}

impl ConversationQuery {
    fn conversation(&self) -> Result<SessionId, AgnostError> {
        match self.conversation_id.as_str() {
            Some(id) if !id.is_empty() && id.len() <= ID_LIMIT => Ok(SessionId::from_agnost(id)),
            _ => Err(AgnostError::Invalid("conversation_id must be the id of a conversation")),
        }
    }

    fn after(&self) -> Result<i64, AgnostError> {
        match &self.cursor {
            JsonField::Absent | JsonField::Null => Ok(0),
            given => given
                .as_str()
                .and_then(|text| text.parse().ok())
                .filter(|number| *number >= 0)
                .ok_or(AgnostError::Invalid("cursor must be the next_cursor of an earlier response")),
        }
    }
}

/// A conversation's messages in the order of their times.
#[derive(Serialize, ToSchema)]
pub struct Messages {
    conversation_id: Uuid,
    /// Its id as it was sent.
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    user_data: Option<JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    client_config: Option<JsonText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    tools: Option<JsonText>,
    /// Whether it is only known from its events, because no `capture-session` has arrived yet.
    implied: bool,
    #[schema(value_type = String)]
    created_at: Milliseconds,
    messages: Vec<CapturedEvent>,
    /// The `cursor` of the next messages. One response has at most 1,000 messages and 4 MiB.
    next_cursor: Option<String>,
}

/// The members of a session's detail that readers receive.
#[derive(Default, Deserialize)]
pub struct SessionDetail {
    pub user_data: Option<JsonText>,
    pub client_config: Option<JsonText>,
    pub tools: Option<JsonText>,
}

async fn messages(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    session: Session,
    after: i64,
    bytes: usize,
) -> Result<Messages, AgnostError> {
    let bytes = bytes.saturating_sub(session.weight());
    let limit = PageLimit::rows(MAX_MESSAGES + 1).within(bytes);
    let mut page = caller.store.captures().events_of(session.id, after, limit).await?;
    let more = page.truncate(MAX_MESSAGES as usize);
    let mut rows = page.rows;
    let next_cursor = rows.last().filter(|_| more).map(|row| row.number.to_string());
    sort(&mut rows);
    let messages = rows.into_iter().map(CapturedEvent::of).collect::<Result<_, _>>()?;
    let detail: SessionDetail = session.detail.read().unwrap_or_default();
    Ok(Messages {
        conversation_id: session.id.0,
        implied: is_implied(&session),
        session_id: session.public_id,
        user_id: session.user_id,
        user_data: detail.user_data,
        metadata: session.metadata,
        connection_type: session.kind,
        client_config: detail.client_config,
        tools: detail.tools,
        created_at: Milliseconds(session.created_at),
        messages,
        next_cursor,
    })
}

/// Sorts events by their time. Events of the same millisecond, which is JavaScript's precision, are sorted so that a
/// child follows its parent, and otherwise in the order of their arrival.
fn sort(rows: &mut [CapturedRow]) {
    let above: HashMap<Uuid, (Timestamp, Option<Uuid>)> =
        rows.iter().map(|row| (row.event_id, (row.at, row.parent_id))).collect();
    rows.sort_by_cached_key(|row| {
        let ancestors = std::iter::successors(row.parent_id, |id| above.get(id)?.1);
        let is_tied = |id: &Uuid| above.get(id).is_some_and(|(at, _)| *at == row.at);
        // The number of ancestors is limited, because events can be each other's ancestors.
        (row.at, ancestors.take_while(is_tied).take(MAX_TIED).count(), row.number)
    });
}

async fn find(caller: &Caller<Agnost, purpose::ReadEvents>, query: &ConversationQuery) -> Result<Session, AgnostError> {
    let id = query.conversation()?;
    let found = caller.store.sessions().find(DialectName::Agnost, id).await?;
    found.ok_or(AgnostError::Missing("Conversation"))
}

/// Conversation messages
///
/// The messages, oldest first.
#[utoipa::path(
    post,
    path = "/dashboard/api/conversation-messages",
    request_body = ConversationQuery,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The conversation and its messages.", body = Messages),
        (status = 404, description = "No such conversation."),
    )
)]
#[tracing::instrument(name = "agnost.conversation_messages", level = "debug", skip_all)]
pub async fn conversation_messages(
    caller: Caller<Agnost, purpose::ReadEvents>,
    query: JsonBody<Agnost, ConversationQuery>,
) -> Result<Reply<Messages>, AgnostError> {
    let after = query.0.after()?;
    let session = find(&caller, &query.0).await?;
    Ok(Reply(StatusCode::OK, messages(&caller, session, after, MAX_PAGE_BYTES).await?))
}

/// The limit of ancestors of the same millisecond that are counted.
const MAX_TIED: usize = 100;

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
struct SpanPage {
    after: i64,
    bytes: usize,
}

async fn spans(
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

/// A conversation's messages and spans.
#[derive(Serialize, ToSchema)]
pub struct ConversationDetail {
    messages: Messages,
    spans: Spans,
}

/// Conversation detail
///
/// Messages and spans in one response.
#[utoipa::path(
    post,
    path = "/dashboard/api/conversation-detail",
    request_body = ConversationQuery,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The conversation.", body = ConversationDetail),
        (status = 404, description = "No such conversation."),
    )
)]
#[tracing::instrument(name = "agnost.conversation_detail", level = "debug", skip_all)]
pub async fn conversation_detail(
    caller: Caller<Agnost, purpose::ReadEvents>,
    query: JsonBody<Agnost, ConversationQuery>,
) -> Result<Reply<ConversationDetail>, AgnostError> {
    let after = query.0.after()?;
    let session = find(&caller, &query.0).await?;
    let spans = spans(&caller, session.clone(), None, SpanPage { after: 0, bytes: MAX_PAGE_BYTES / 2 }).await?;
    let messages = messages(&caller, session, after, MAX_PAGE_BYTES / 2).await?;
    Ok(Reply(StatusCode::OK, ConversationDetail { messages, spans }))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct EventQuery {
    #[serde(default)]
    #[schema(value_type = Uuid, required = true)]
    event_id: JsonField,
}

/// Event input and output
///
/// One event with its whole text. An event whose `event_id` is not a UUID is found by its `id`.
#[utoipa::path(
    post,
    path = "/dashboard/api/event-io",
    request_body = EventQuery,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The event.", body = CapturedEvent),
        (status = 404, description = "No such event."),
    )
)]
#[tracing::instrument(name = "agnost.event_io", level = "debug", skip_all)]
pub async fn event_io(
    caller: Caller<Agnost, purpose::ReadEvents>,
    request: Request,
) -> Result<Reply<CapturedEvent>, AgnostError> {
    let query: EventQuery = parse_object(&json_bytes(request).await?)?;
    let id = query
        .event_id
        .as_str()
        .and_then(parse_hyphenated_uuid)
        .ok_or(AgnostError::Invalid("event_id must be a UUID"))?;
    let found = caller.store.captures().event(crate::domain::EventId(id)).await?;
    let row = found.ok_or(AgnostError::Missing("Event"))?;
    Ok(Reply(StatusCode::OK, CapturedEvent::of(row)?))
}
