//! What names a conversation in a request.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::contract::ID_LIMIT;
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::domain::{DialectName, JsonField, Session, SessionId};

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ConversationQuery {
    /// The conversation's UUID, or its id as it was captured.
    #[serde(default)]
    #[schema(value_type = String, required = true)]
    conversation_id: JsonField,
    /// Only for `conversation-spans`: returns this event, its ancestors and its descendants.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) event_id: JsonField,
    /// The `next_cursor` of the previous response.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    cursor: JsonField,
}

impl ConversationQuery {
    pub(super) fn conversation(&self) -> Result<SessionId, AgnostError> {
        match self.conversation_id.as_str() {
            Some(id) if !id.is_empty() && id.len() <= ID_LIMIT => Ok(SessionId::from_agnost(id)),
            _ => Err(AgnostError::Invalid("conversation_id must be the id of a conversation")),
        }
    }

    pub(super) fn after(&self) -> Result<i64, AgnostError> {
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

pub async fn find(
    caller: &Caller<Agnost, purpose::ReadEvents>,
    query: &ConversationQuery,
) -> Result<Session, AgnostError> {
    let id = query.conversation()?;
    let found = caller.store.sessions().find(DialectName::Agnost, id).await?;
    // A conversation whose events have all moved to another is not listed either.
    found.filter(|session| session.enabled).ok_or(AgnostError::Missing("Conversation"))
}
