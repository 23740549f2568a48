//! Messages that another API appends to a captured session.

use uuid::Uuid;

use super::event::{EventDetail, Kind, grams};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{CaptureFacts, EventId, JsonField, JsonText, NewCapture, NewEvent, NewSession, Session, Timestamp};
use crate::http::Rejection;

/// What was said.
pub enum Said {
    /// By the user.
    Input(String),
    /// By the agent.
    Output(String),
    /// By a tool.
    ToolOutput(String),
}

/// The name under which it is listed and counted.
const NAME: &str = "default";

/// Returns the capture that stores a message in an existing session.
///
/// # Errors
/// [`Rejection::Internal`] if it cannot be written as JSON.
pub(in crate::dialects) fn appended(
    session: &Session,
    id: EventId,
    said: Said,
    metadata: Option<JsonText>,
    (now, nonce): (Timestamp, Uuid),
) -> Result<NewCapture, Rejection> {
    let (kind, input, result) = match said {
        Said::Input(text) => (Kind::Turn, Some(text), JsonField::Absent),
        Said::Output(text) => (Kind::Turn, None, JsonField::String(text)),
        Said::ToolOutput(text) => (Kind::Tool, None, JsonField::String(text)),
    };
    let args = input.clone().map_or(JsonField::Absent, JsonField::String);
    let primitive_type = if kind == Kind::Tool { JsonField::String("tool".to_owned()) } else { JsonField::Absent };
    let detail = EventDetail {
        received_at: Milliseconds(now),
        args: &args,
        result: &result,
        metadata,
        primitive_type: &primitive_type,
        checkpoints: &JsonField::Absent,
        parent_id: None,
        span: None,
        claimed_timestamp: None,
    };
    let event = NewEvent {
        author_id: Some(NAME.to_owned()),
        content: input.filter(|text| !text.is_empty()),
        payload: JsonText::of(&detail).map_err(|_| Rejection::Internal)?,
        ..NewEvent::of(id, kind.as_str(), now)
    };
    let facts = CaptureFacts { at: now, name: NAME.to_owned(), success: true, latency_ms: 0, is_timed: false };
    let grams = grams(&event, &result);
    let session = NewSession::of(session.dialect, session.id, session.public_id.clone(), session.created_at, nonce);
    Ok(NewCapture { session, event, facts, grams })
}
