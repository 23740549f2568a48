//! The body that Agntix posts to webhooks (docs/dialects/agntix.md): one flat object per event.

use serde::Serialize;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::{AgentId, JsonText, Session, Timestamp, WebhookEvent};

/// The start or the end of a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Happened<'a> {
    /// The session's id, by which receivers recognise repeated deliveries.
    id: &'a str,
    event_type: WebhookEvent,
    /// Always CHAT, because this service has no calls (VOICE).
    r#type: &'static str,
    platform: Option<&'a str>,
    /// Always null, because only calls are inbound or outbound.
    direction: Option<&'static str>,
    state: &'static str,
    agent_id: Option<AgentId>,
    created_at: Milliseconds,
    #[serde(flatten)]
    end: Option<End>,
    metadata: JsonText,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct End {
    last_activity_at: Milliseconds,
    ended_at: Milliseconds,
    updated_at: Milliseconds,
    /// Always null, because no model analyses the conversation here.
    analysis: Option<&'static str>,
    /// Always null, because only calls are recorded.
    recording_url: Option<&'static str>,
}

/// Returns the body for the start of a session. `session` is the current session, but the body has the state that the
/// start brought about, so that a late delivery still has `OPEN`. The other members do not change, so every attempt at a
/// delivery has the same body.
///
/// # Errors
/// A JSON error if the session cannot be written.
pub fn created(session: &Session) -> Result<Vec<u8>, serde_json::Error> {
    body(WebhookEvent::SessionCreated, session, "OPEN", None)
}

/// Returns the body for the end of a session. Every attempt at a delivery has the same body, unless a reply was still
/// running when the session ended.
///
/// # Errors
/// A JSON error if the session cannot be written.
pub fn ended(session: &Session, last_message_at: Option<Timestamp>) -> Result<Vec<u8>, serde_json::Error> {
    let ended_at = session.ended_at.unwrap_or(session.updated_at);
    // A reply that was running may be stored after the end.
    let last_activity_at = last_message_at.unwrap_or(session.created_at).min(ended_at);
    let end = End {
        last_activity_at: Milliseconds(last_activity_at),
        ended_at: Milliseconds(ended_at),
        updated_at: Milliseconds(session.updated_at),
        analysis: None,
        recording_url: None,
    };
    body(WebhookEvent::SessionEnded, session, "CLOSED", Some(end))
}

fn body(
    event: WebhookEvent,
    session: &Session,
    state: &'static str,
    end: Option<End>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Happened {
        id: &session.public_id,
        event_type: event,
        r#type: "CHAT",
        platform: session.kind.as_deref(),
        direction: None,
        state,
        agent_id: session.agent,
        created_at: Milliseconds(session.created_at),
        end,
        metadata: session.metadata.clone().unwrap_or_else(JsonText::empty_object),
    })
}
