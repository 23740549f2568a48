//! The lines of an export, which an import reads: a session with its events, or further events of the session of the
//! line before. Everything is as it is stored, so that an import stores the same.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::line_span::LineSpan;
use crate::dialects::sessionary::session_ref::SessionRef;
use crate::domain::{JsonText, Timestamp};
use crate::store::{ExportedAgent, ExportedEvent, ExportedFacts, ExportedPart};

/// A line. `session` is missing in a line that continues the session of the line before.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportLine {
    /// The session's id over all dialects.
    #[schema(example = "agntix_019d1f0bd80070008000000000000001")]
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<LineSession>,
    pub events: Vec<LineEvent>,
    /// Whether the next line has further events of the session.
    #[serde(default)]
    pub continues: bool,
    /// `after` of an export that continues after this line. An import ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A session as it is stored.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedSession)]
#[serde(deny_unknown_fields)]
pub struct LineSession {
    #[schema(example = "ses_01j3m8xkqp8v2nw4f7g9hk0r00")]
    pub vendor_id: String,
    pub agent: Option<LineAgent>,
    pub enabled: bool,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<JsonText>,
    /// What only its dialect reads.
    #[schema(value_type = Object)]
    pub dialect_data: JsonText,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expiry_reported_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The number and the time of its last event.
    pub last_event_number: Option<i64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event_at: Option<Timestamp>,
}

/// The names of an agent. Its responder and its settings are no part of an export.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedAgent)]
#[serde(deny_unknown_fields)]
pub struct LineAgent {
    pub id: Uuid,
    /// Missing if nothing is stored of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<LineAgentNames>,
}

/// How an agent is called.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedAgentNames)]
#[serde(deny_unknown_fields)]
pub struct LineAgentNames {
    pub key: String,
    pub number: i64,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub language: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was deleted. An import does not create a deleted agent.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted_at: Option<Timestamp>,
}

/// An event as it is stored.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedEvent)]
#[serde(deny_unknown_fields)]
pub struct LineEvent {
    pub number: i64,
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<String>,
    pub kind: String,
    pub author_id: Option<String>,
    pub content: Option<String>,
    #[schema(value_type = Object)]
    pub payload: JsonText,
    #[serde(default)]
    pub hidden: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured: Option<LineFacts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<LineSpan>,
}

/// By what a captured event (`agnost`) is listed and counted.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ExportedFacts)]
#[serde(deny_unknown_fields)]
pub struct LineFacts {
    /// When it happened, as its sender says.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub success: bool,
    pub latency_ms: i64,
    /// Whether the latency counts in averages.
    pub is_timed: bool,
}

impl ExportLine {
    /// Returns the line of a part.
    #[must_use]
    pub fn new(part: ExportedPart, cursor: Option<String>) -> Self {
        let ExportedPart { session, is_first, agent, last_event, events, continues, .. } = part;
        let id = SessionRef::from(&session).to_string();
        let session = is_first.then(|| LineSession {
            agent: session.agent.map(|id| LineAgent { id: id.0, names: agent.map(LineAgentNames::from) }),
            vendor_id: session.public_id,
            enabled: session.enabled,
            kind: session.kind,
            user_id: session.user_id,
            name: session.name,
            description: session.description,
            metadata: session.metadata,
            dialect_data: session.detail,
            created_at: session.created_at,
            updated_at: session.updated_at,
            expires_at: session.expires_at,
            expiry_reported_at: session.expiry_reported_at,
            ended_at: session.ended_at,
            last_event_number: last_event.map(|(number, _)| number),
            last_event_at: last_event.map(|(_, at)| at),
        });
        Self { id, session, events: events.into_iter().map(LineEvent::from).collect(), continues, cursor }
    }

    /// Returns the line as it is sent.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn write(&self, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *text, self)?;
        text.push(b'\n');
        Ok(())
    }
}

impl From<ExportedAgent> for LineAgentNames {
    fn from(agent: ExportedAgent) -> Self {
        Self {
            key: agent.key,
            number: agent.number,
            name: agent.name,
            description: agent.description,
            enabled: agent.enabled,
            language: agent.language,
            created_at: agent.created_at,
            deleted_at: agent.deleted_at,
        }
    }
}

impl From<ExportedEvent> for LineEvent {
    fn from(ExportedEvent { event, facts, span }: ExportedEvent) -> Self {
        Self {
            number: event.number,
            id: event.id.0,
            parent_id: event.parent.map(|id| id.0),
            vendor_id: event.public_id,
            kind: event.kind,
            author_id: event.author_id,
            content: event.content,
            payload: event.payload,
            hidden: event.hidden,
            created_at: event.created_at,
            captured: facts.map(LineFacts::from),
            span: span.map(LineSpan::from),
        }
    }
}

impl From<ExportedFacts> for LineFacts {
    fn from(facts: ExportedFacts) -> Self {
        Self { at: facts.at, success: facts.success, latency_ms: facts.latency_ms, is_timed: !facts.untimed }
    }
}
