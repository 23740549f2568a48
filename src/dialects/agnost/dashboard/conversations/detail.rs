//! `POST /dashboard/api/conversation-detail` (docs/dialects/agnost.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::conversations::messages::{Messages, messages};
use crate::dialects::agnost::dashboard::conversations::query::{ConversationQuery, find};
use crate::dialects::agnost::dashboard::conversations::spans::{SpanPage, Spans, spans};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::{JsonBody, Reply};
use crate::store::MAX_PAGE_BYTES;

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
