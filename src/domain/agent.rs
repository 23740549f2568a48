//! What a session talks to. One agent has a name for every dialect.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AgentId, AgentKey, AgentNumber, DialectName, JsonText, Responder, Timestamp};

/// An agent as the dialects see it, with the avatar it wears.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    pub id: AgentId,
    pub key: AgentKey,
    pub number: AgentNumber,
    pub name: String,
    pub description: Option<String>,
    /// One state under three words: `enabled: false` (agent_key), `isActive: false` (agntix), `archived` (integer_id).
    pub enabled: bool,
    /// An ISO 639 code, `en` unless somebody said otherwise.
    pub language: String,
    /// Which avatar it wears.
    pub avatar_number: Option<i64>,
    /// That avatar, where it is there.
    pub avatar: Option<Avatar>,
    /// `None`: the organization's default.
    pub responder: Option<Responder>,
    /// What a dialect keeps about the agent, under the dialect's name: an object.
    pub settings: JsonText,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Agent {
    /// What answers its messages: its own responder, else `default`, the organization's.
    #[must_use]
    pub fn responder_or<'a>(&'a self, default: &'a Responder) -> &'a Responder {
        self.responder.as_ref().unwrap_or(default)
    }

    /// What a dialect keeps about the agent; `None` where it keeps nothing, or nothing that fits `T`.
    #[must_use]
    pub fn settings_of<T: DeserializeOwned>(&self, dialect: DialectName) -> Option<T> {
        let mut all: BTreeMap<String, JsonText> = self.settings.read().ok()?;
        all.remove(dialect.as_str())?.read().ok()
    }
}

/// A face and a voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    pub number: i64,
    pub name: String,
    pub url: String,
    pub voice_id: Option<String>,
}

/// An agent by whichever of its names the dialect uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AgentRef {
    Id(AgentId),
    Key(AgentKey),
    Number(AgentNumber),
}

/// Agents' settings, with what `dialect` keeps in place of what it kept.
///
/// # Errors
/// When `own` cannot be written as JSON, or `settings` is no object.
pub fn with_settings(
    settings: &JsonText,
    dialect: DialectName,
    own: &impl Serialize,
) -> Result<JsonText, serde_json::Error> {
    let mut all: BTreeMap<String, JsonText> = settings.read()?;
    all.insert(dialect.as_str().to_owned(), JsonText::of(own)?);
    JsonText::of(&all)
}

/// What it takes to make an agent. Most of it is as [`NewAgent::named`] leaves it.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub id: AgentId,
    pub key: AgentKey,
    /// `None`: the organization's next.
    pub number: Option<AgentNumber>,
    /// 1 to 200 characters.
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub language: String,
    pub avatar_number: Option<i64>,
    /// `None`: the organization's default.
    pub responder: Option<Responder>,
    /// See [`Agent::settings`].
    pub settings: JsonText,
    pub created_at: Timestamp,
}

impl NewAgent {
    /// An enabled agent that speaks English, under its organization's next number and with its default responder.
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
        let kept = JsonText::stored(r#"{"messaging":{"b":1,"a":12345678901234567890}}"#.to_owned()).unwrap();
        let settings = with_settings(&kept, DialectName::AgentKey, &["own"]).unwrap();
        assert_eq!(settings.as_str(), r#"{"agent_key":["own"],"messaging":{"b":1,"a":12345678901234567890}}"#);
        let replaced = with_settings(&settings, DialectName::AgentKey, &1).unwrap();
        assert_eq!(replaced.as_str(), r#"{"agent_key":1,"messaging":{"b":1,"a":12345678901234567890}}"#);
    }
}
