//! `POST /dashboard/api/conversation-messages` (docs/dialects/agnost.md). The vendor's page shows no body; this one is
//! this service's own.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::conversations::query::{ConversationQuery, find};
use crate::dialects::agnost::dashboard::order;
use crate::dialects::agnost::events::event::CapturedEvent;
use crate::dialects::agnost::sessions::implied::is_implied;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{JsonText, Session};
use crate::http::{JsonBody, Reply};
use crate::store::{MAX_PAGE_BYTES, PageLimit, Weighed};

/// Events in one response, of at most [`MAX_PAGE_BYTES`]; `next_cursor` continues the list.
const MAX_MESSAGES: i64 = 1_000;

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

pub async fn messages(
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
    order::oldest_first(&mut rows);
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
