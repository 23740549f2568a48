//! The agent of a session. It has a name for every dialect.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AgentId, AgentKey, AgentNumber, DialectName, JsonText, Responder, Timestamp};

/// An agent with its avatar, as the dialects see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub id: AgentId,
    pub key: AgentKey,
    pub number: AgentNumber,
    pub name: String,
    pub description: Option<String>,
    /// One state with three names: `enabled: false` (agent_key), `isActive: false` (agntix), `archived` (integer_id).
    pub enabled: bool,
    /// An ISO 639 code; `en` by default.
    pub language: String,
    /// The number of its avatar.
    pub avatar_number: Option<i64>,
    /// Its avatar, if it exists.
    pub avatar: Option<Avatar>,
    /// `None` uses the organization's default.
    pub responder: Option<Responder>,
    /// The settings of each dialect, under the dialect's name: an object.
    pub settings: JsonText,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Agent {
    /// Returns the agent's own responder, or else `default`, the organization's.
    #[must_use]
    pub fn responder_or<'a>(&'a self, default: &'a Responder) -> &'a Responder {
        self.responder.as_ref().unwrap_or(default)
    }

    /// Returns a dialect's settings of the agent, or `None` if there are none or they do not fit `T`.
    #[must_use]
    pub fn settings_of<T: DeserializeOwned>(&self, dialect: DialectName) -> Option<T> {
        let mut all: BTreeMap<String, JsonText> = self.settings.read().ok()?;
        all.remove(dialect.as_str())?.read().ok()
    }
}

/// An avatar: an image and a voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    pub number: i64,
    pub name: String,
    pub url: String,
    pub voice_id: Option<String>,
}

/// A reference to an agent by the kind of name that the dialect uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AgentRef {
    Id(AgentId),
    Key(AgentKey),
    Number(AgentNumber),
}

/// Returns an agent's settings with those of `dialect` replaced by `own`.
///
/// # Errors
/// When `own` cannot be written as JSON, or `settings` is not an object.
pub fn with_settings(
    settings: &JsonText,
    dialect: DialectName,
    own: &impl Serialize,
) -> Result<JsonText, serde_json::Error> {
    let mut all: BTreeMap<String, JsonText> = settings.read()?;
    all.insert(dialect.as_str().to_owned(), JsonText::of(own)?);
    JsonText::of(&all)
}

/// A new agent. [`NewAgent::named`] sets defaults for most of it.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub id: AgentId,
    pub key: AgentKey,
    /// `None` uses the organization's next number.
    pub number: Option<AgentNumber>,
    /// 1 to 200 characters.
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub language: String,
    pub avatar_number: Option<i64>,
    /// `None` uses the organization's default.
    pub responder: Option<Responder>,
    /// See [`Agent::settings`].
    pub settings: JsonText,
    pub created_at: Timestamp,
}

impl NewAgent {
    /// Returns an enabled agent with the language English, the organization's next number and the default responder.
    #[must_use]
    pub fn named(id: AgentId, key: AgentKey, name: String, created_at: Timestamp) -> Self {
        Self {
            id,
            key,
            number: None,
            name,
            description: None,
            enabled: true,
            language: "en".to_owned(),
            avatar_number: None,
            responder: None,
            settings: JsonText::empty_object(),
            created_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_settings_of_its_own() {
        let stored = JsonText::stored(r#"{"messaging":{"b":1,"a":12345678901234567890}}"#.to_owned()).unwrap();
        let settings = with_settings(&stored, DialectName::AgentKey, &["own"]).unwrap();
        assert_eq!(settings.as_str(), r#"{"agent_key":["own"],"messaging":{"b":1,"a":12345678901234567890}}"#);
        let replaced = with_settings(&settings, DialectName::AgentKey, &1).unwrap();
        assert_eq!(replaced.as_str(), r#"{"agent_key":1,"messaging":{"b":1,"a":12345678901234567890}}"#);
    }
}
