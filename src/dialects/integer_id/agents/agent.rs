//! The members of an agent and their validation (docs/dialects/integer-id.md).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::integer_id::IntegerIdError;
use crate::dialects::integer_id::error::Bare;
use crate::domain::{Agent, AgentNumber, AgentRef, JsonField, JsonText, Patch};

/// UTF-16 code units of each member that is JSON, as compact JSON; characters of each text. The vendor documents no
/// limits.
const LIMIT: usize = 65_536;
/// Characters of a name, as many as the column `agents.name` allows.
const NAME_LIMIT: usize = 200;
/// The longest tag of BCP 47 that is registered.
const LANGUAGE_LIMIT: usize = 35;

/// The settings of an agent that only this dialect stores.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::dialects::integer_id) struct IntegerIdAgentSettings {
    pub custom_greeting: Option<String>,
    pub context: Option<String>,
    pub properties: Option<JsonText>,
    pub memories: Option<JsonText>,
    pub knowledge_base: Option<JsonText>,
}

/// The members of an agent in a create or an update.
#[derive(Default, Deserialize, ToSchema)]
pub struct AgentMembers {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
    /// Null removes the avatar.
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    avatar_id: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "en")]
    language: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    custom_greeting: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    context: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    properties: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    memories: JsonField,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    knowledge_base: JsonField,
    /// `active` or `archived`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    status: JsonField,
}

/// Members that were checked. `None`: not sent.
#[derive(Debug)]
pub(in crate::dialects::integer_id) struct AgentChanges {
    pub name: Option<String>,
    pub avatar_number: Patch<i64>,
    pub language: Option<String>,
    pub enabled: Option<bool>,
    custom_greeting: Patch<String>,
    context: Patch<String>,
    properties: Patch<JsonText>,
    memories: Patch<JsonText>,
    knowledge_base: Patch<JsonText>,
}

impl AgentMembers {
    pub(in crate::dialects::integer_id) fn validate(self) -> Result<AgentChanges, Bare> {
        let name = match self.name {
            JsonField::Absent => None,
            JsonField::String(name) if (1..=NAME_LIMIT).contains(&name.chars().count()) => Some(name),
            _ => return Err(Bare::Invalid("name must be a string of 1 to 200 characters")),
        };
        let avatar_number = match &self.avatar_id {
            JsonField::Absent => Patch::Keep,
            JsonField::Null => Patch::Clear,
            given => Patch::Set(given.as_i64().ok_or(Bare::Invalid("avatar_id must be an integer"))?),
        };
        let language = match self.language {
            JsonField::Absent | JsonField::Null => None,
            JsonField::String(tag) if (1..=LANGUAGE_LIMIT).contains(&tag.len()) => Some(tag),
            _ => return Err(Bare::Invalid("language must be a language code such as en")),
        };
        let enabled = match self.status.as_str() {
            Some("active") => Some(true),
            Some("archived") => Some(false),
            None if self.status.is_missing() => None,
            _ => return Err(Bare::Invalid("status must be active or archived")),
        };
        Ok(AgentChanges {
            name,
            avatar_number,
            language,
            enabled,
            custom_greeting: text(
                self.custom_greeting,
                "custom_greeting must be a string of at most 65536 characters",
            )?,
            context: text(self.context, "context must be a string of at most 65536 characters")?,
            properties: json(&self.properties, "properties must not exceed 65536 characters")?,
            memories: json(&self.memories, "memories must not exceed 65536 characters")?,
            knowledge_base: json(&self.knowledge_base, "knowledge_base must not exceed 65536 characters")?,
        })
    }
}

impl AgentChanges {
    /// Returns whether nothing changes.
    pub(in crate::dialects::integer_id) fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.avatar_number.is_keep()
            && self.language.is_none()
            && self.enabled.is_none()
            && self.custom_greeting.is_keep()
            && self.context.is_keep()
            && self.properties.is_keep()
            && self.memories.is_keep()
            && self.knowledge_base.is_keep()
    }

    /// Changes the settings that only this dialect stores.
    pub(in crate::dialects::integer_id) fn apply_own(&self, settings: &mut IntegerIdAgentSettings) {
        self.custom_greeting.clone().apply_to(&mut settings.custom_greeting);
        self.context.clone().apply_to(&mut settings.context);
        self.properties.clone().apply_to(&mut settings.properties);
        self.memories.clone().apply_to(&mut settings.memories);
        self.knowledge_base.clone().apply_to(&mut settings.knowledge_base);
    }
}

fn text(given: JsonField, fault: &'static str) -> Result<Patch<String>, Bare> {
    match given {
        JsonField::Absent => Ok(Patch::Keep),
        JsonField::Null => Ok(Patch::Clear),
        JsonField::String(text) if text.chars().count() <= LIMIT => Ok(Patch::Set(text)),
        _ => Err(Bare::Invalid(fault)),
    }
}

fn json(given: &JsonField, fault: &'static str) -> Result<Patch<JsonText>, Bare> {
    match given {
        JsonField::Absent => Ok(Patch::Keep),
        JsonField::Null => Ok(Patch::Clear),
        given => match given.to_json().filter(|json| json.utf16_len() <= LIMIT) {
            Some(json) => Ok(Patch::Set(json.into_owned())),
            None => Err(Bare::Invalid(fault)),
        },
    }
}

/// The status of an agent.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    Active,
    Archived,
}

impl From<&Agent> for AgentStatus {
    fn from(agent: &Agent) -> Self {
        if agent.enabled { Self::Active } else { Self::Archived }
    }
}

/// Returns the agent that a path names.
///
/// # Errors
/// `unknown` if no agent can have this number.
pub(in crate::dialects::integer_id) fn named(
    text: &str,
    unknown: impl Into<IntegerIdError>,
) -> Result<AgentRef, IntegerIdError> {
    text.parse::<AgentNumber>().map(AgentRef::Number).map_err(|_| unknown.into())
}

/// Returns the number of the agent's avatar, or `None` if it has none or the avatar was deleted.
pub(in crate::dialects::integer_id) fn avatar_number(agent: &Agent) -> Option<i64> {
    agent.avatar.as_ref().map(|avatar| avatar.number)
}
