//! Messages as each dialect stores them.

use serde::Serialize;

use super::reading::Role;
use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::members::invalid;
use crate::domain::{DialectName, EventId, JsonText, NewEvent, Session, Timestamp};
use crate::http::Rejection;

/// A message to be appended.
pub(super) struct NewMessage {
    pub role: Role,
    pub kind: Option<String>,
    pub text: String,
    pub payload: Option<JsonText>,
    pub hidden: bool,
}

/// Returns the dialect's word for a message of a role.
fn kind(dialect: DialectName, role: Role) -> Option<&'static str> {
    match (dialect, role) {
        (DialectName::Agnost, Role::User | Role::Assistant) => Some("turn"),
        (DialectName::Agnost, Role::Tool) => Some("tool"),
        (DialectName::Agntix, Role::User) => Some("USER"),
        (DialectName::Agntix, Role::Assistant) => Some("ASSISTANT"),
        (DialectName::AgentKey, Role::User) => Some("input_message"),
        (DialectName::AgentKey, Role::Assistant) => Some("agent_output"),
        (DialectName::AgentKey, Role::Tool) => Some("tool_output"),
        (DialectName::Messaging | DialectName::IntegerId, Role::User) => Some("user"),
        (DialectName::Messaging, Role::Assistant) => Some("agent_response"),
        (DialectName::IntegerId, Role::Assistant) => Some("agent"),
        _ => None,
    }
}

/// Returns the error for a role without messages in the dialect.
pub(super) fn no_role(dialect: DialectName) -> SessionaryError {
    invalid("/role", format!("is no role of messages of the dialect {dialect}"))
}

/// Checks that the dialect has messages of this role and kind.
///
/// # Errors
/// [`SessionaryError::InvalidBody`] if it has not.
pub(super) fn check_kind(dialect: DialectName, new: &NewMessage) -> Result<(), SessionaryError> {
    let own = kind(dialect, new.role).ok_or_else(|| no_role(dialect))?;
    match &new.kind {
        Some(given) if given != own => Err(invalid("/kind", format!("must be {own} for this role"))),
        _ => Ok(()),
    }
}

#[derive(Serialize)]
struct Messages<'m> {
    messages: [TextPart<'m>; 1],
}

#[derive(Serialize)]
struct TextPart<'m> {
    r#type: &'static str,
    content: &'m str,
}

#[derive(Serialize)]
struct ToolOutput<'m> {
    tool_call_id: String,
    tool_configuration_name: &'static str,
    tool_name: &'static str,
    tool_output: Output<'m>,
    error: bool,
}

#[derive(Serialize)]
struct Output<'m> {
    text: &'m str,
}

#[derive(Serialize)]
struct Metadata {
    metadata: JsonText,
}

/// Returns the event that stores the message in a session of a dialect other than `agnost`.
///
/// # Errors
/// [`SessionaryError::InvalidBody`] if the dialect has no messages of this role.
pub(super) fn of(session: &Session, new: NewMessage, id: EventId, at: Timestamp) -> Result<NewEvent, SessionaryError> {
    let dialect = session.dialect;
    let kind = kind(dialect, new.role).ok_or_else(|| no_role(dialect))?;
    let unwritten = |_| Rejection::Internal;
    let text = new.text.as_str();
    let payload = match (dialect, new.role, new.payload) {
        (DialectName::Messaging, _, given) => {
            JsonText::of(&Metadata { metadata: given.unwrap_or_else(JsonText::empty_object) }).map_err(unwritten)?
        }
        (_, _, Some(given)) => given,
        (DialectName::AgentKey, Role::User, None) => {
            JsonText::of(&Messages { messages: [TextPart { r#type: "text", content: text }] }).map_err(unwritten)?
        }
        (DialectName::AgentKey, Role::Tool, None) => {
            let (tool_call_id, tool_name) = (id.to_string(), "client_tool");
            let tool_output = Output { text };
            let output =
                ToolOutput { tool_call_id, tool_configuration_name: tool_name, tool_name, tool_output, error: false };
            JsonText::of(&output).map_err(unwritten)?
        }
        _ => JsonText::empty_object(),
    };
    let author_id = match (dialect, new.role) {
        (DialectName::Messaging, Role::User) => session.user_id.clone(),
        (DialectName::Messaging, _) => session.agent.map(|agent| agent.to_string()),
        _ => None,
    };
    let content = (new.role != Role::Tool).then_some(new.text);
    Ok(NewEvent { author_id, content, payload, hidden: new.hidden, ..NewEvent::of(id, kind, at) })
}
