//! What Agntix posts to webhooks (docs/dialects/agntix.md): one flat object per event.

use serde::Serialize;

use crate::dialects::shared::time::Milliseconds;
use crate::domain::{AgentId, JsonText, Session, Timestamp, WebhookEvent};

/// A session that began or ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Happened<'a> {
    /// The session's; receivers tell repeated deliveries by it.
    id: &'a str,
    event_type: WebhookEvent,
    /// CHAT or VOICE; there are no calls here.
    r#type: &'static str,
    platform: Option<&'a str>,
    /// Inbound or outbound, which only a call is.
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
    /// Comes from a model that reads the conversation, which there is none of here.
    analysis: Option<&'static str>,
    /// Only calls are recorded.
    recording_url: Option<&'static str>,
}

/// The body of a delivery: of `session` as it stands, but in the state that the event brought about, so that a beginning
/// which is told late is still one. Nothing else that is told of a session changes, so every attempt at a delivery says
/// the same, unless a reply was still under way at the end.
///
/// # Errors
/// When the session cannot be written as JSON.
pub fn body(
    event: WebhookEvent,
    session: &Session,
    last_said_at: Option<Timestamp>,
) -> Result<Vec<u8>, serde_json::Error> {
    let (state, end) = match event {
        WebhookEvent::SessionCreated => ("OPEN", None),
        WebhookEvent::SessionEnded => {
            let ended_at = session.ended_at.unwrap_or(session.updated_at);
            // A reply that was under way may be kept after the end.
            let last_activity_at = last_said_at.unwrap_or(session.created_at).min(ended_at);
            let end = End {
                last_activity_at: Milliseconds(last_activity_at),
                ended_at: Milliseconds(ended_at),
                updated_at: Milliseconds(session.updated_at),
                analysis: None,
                recording_url: None,
            };
            ("CLOSED", Some(end))
        }
    };
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
