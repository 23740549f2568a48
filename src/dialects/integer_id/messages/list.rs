//! `GET /api/v1/sessions/{session_id}/messages`: an extension (docs/dialects/integer-id.md).

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::messages::message::Message;
use crate::dialects::integer_id::sessions::session;
use crate::dialects::integer_id::{IntegerId, IntegerIdError, query};
use crate::domain::ids::MAX_NUMBER;
use crate::http::{PathOf, QueryPairs, Reply, without_zero_fraction};
use crate::store::EventWindow;

/// Messages in one response.
const MAX_MESSAGES: i64 = 1_000;

#[derive(Serialize, ToSchema)]
pub struct Messages {
    success: bool,
    /// Oldest first, at most 1,000 and at most 4 MiB.
    messages: Vec<Message>,
    /// The value of the query parameter `cursor` that continues the list. Present if there may be more messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

/// List messages
///
/// An extension: the vendor names this path and documents nothing more. Messages can also be read after the session has
/// ended.
#[utoipa::path(
    get,
    path = "/api/v1/sessions/{session_id}/messages",
    params(
        ("session_id" = i64, Path, description = "The session's integer id."),
        ("cursor" = Option<i64>, Query, description = "`next_cursor` of an earlier response, or the id of any message; the list begins after it."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The messages.", body = Messages),
    )
)]
#[tracing::instrument(name = "integer_id.list_messages", level = "debug", skip_all)]
pub async fn list_messages(
    caller: Caller<IntegerId, purpose::ReadEvents>,
    path: PathOf<IntegerId, String>,
    pairs: QueryPairs,
) -> Result<Reply<Messages>, IntegerIdError> {
    let numbered = session::find(&caller, &path.0).await?;
    let after_number = query::given(&pairs, "cursor").map(message_id).transpose()?;
    let window = EventWindow { after_number, ..EventWindow::default() };
    let page = caller.store.sessions().events(&numbered.session).oldest(&window, MAX_MESSAGES).await?;
    let full = page.is_full(MAX_MESSAGES);
    let messages: Vec<Message> = page.rows.into_iter().map(|event| Message::new(event, numbered.number)).collect();
    let next_cursor = messages.last().filter(|_| full).map(Message::number);
    Ok(Reply(StatusCode::OK, Messages { success: true, messages, next_cursor }))
}

fn message_id(text: &str) -> Result<i64, IntegerIdError> {
    let text = without_zero_fraction(text);
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (0..=MAX_NUMBER).contains(number));
    number.ok_or(IntegerIdError::Invalid("Invalid cursor"))
}
