//! The body of a delivery, in the form of Standard Webhooks: `type`, `timestamp` and `data` (docs/webhooks.md).

use serde::Serialize;

use crate::dialects::sessionary::events::wire::WireEvent;
use crate::dialects::sessionary::sessions::session::{WireSession, is_deleted};
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{Event, Session, WebhookEvent};

/// What a delivery reports.
#[derive(Clone, Copy, Debug)]
pub enum Occurrence<'e> {
    Created,
    Ended,
    Expired,
    Message(&'e Event),
}

#[derive(Serialize)]
struct Posted {
    r#type: WebhookEvent,
    /// When it happened.
    timestamp: Milliseconds,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    session: WireSession,
    /// The message of `message.created`, otherwise null.
    event: Option<WireEvent>,
}

/// Returns the body of a delivery, or `None` if what it reports does not exist any more. `session` is the current session,
/// but the body has the state of the time at which it happened, so that a late `session.created` still has `open`.
/// `agent_key` is needed for the path of a session of the `agent_key` dialect only.
///
/// # Errors
/// A JSON error if the session cannot be written.
pub fn webhook_body(
    occurrence: Occurrence<'_>,
    session: &Session,
    agent_key: Option<&str>,
) -> Option<Result<Vec<u8>, serde_json::Error>> {
    // Of a deleted session whose row stays, only the end is reported.
    if is_deleted(session) && !matches!(occurrence, Occurrence::Ended) {
        return None;
    }
    let (r#type, at, event) = match occurrence {
        Occurrence::Created => (WebhookEvent::SessionCreated, session.created_at, None),
        Occurrence::Ended => (WebhookEvent::SessionEnded, session.ended_at.unwrap_or(session.updated_at), None),
        Occurrence::Expired => (WebhookEvent::SessionExpired, session.expires_at?, None),
        Occurrence::Message(event) => (WebhookEvent::MessageCreated, event.created_at, Some(event)),
    };
    let mut session = session.clone();
    session.ended_at = session.ended_at.filter(|ended_at| *ended_at <= at && r#type != WebhookEvent::SessionCreated);
    let event = event.map(|event| WireEvent::new(session.dialect, event.clone()));
    let data = Data { session: WireSession::new(session, agent_key, at), event };
    Some(serde_json::to_vec(&Posted { r#type, timestamp: Milliseconds(at), data }))
}
