//! What this dialect stores about an agent: the members of its body as they were sent (docs/dialects/agent-key.md).

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dialects::agent_key::AgentKeyError;
use crate::dialects::agent_key::patch::{self, invalid};
use crate::domain::{Agent, DialectName, JsonField, JsonText};
use crate::http::Rejection;

/// Bytes of an agent's configuration as compact JSON.
const CONFIG_LIMIT: usize = 512 * 1024;

/// Members that are stored in the agent itself or set by the service, and never part of the configuration.
const NOT_CONFIG: [&str; 6] = ["key", "name", "description", "enabled", "created_at", "updated_at"];
/// Members that are maps. A PATCH merges them entry by entry, and null removes an entry.
const MAPS: [&str; 4] = ["tool_configurations", "skills", "steps", "metadata"];

pub(super) type Object = IndexMap<String, JsonText>;

/// The identity of an agent. It is stored and returned, but has no effect, because agents here call no other API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) mode: Mode,
    pub(super) api_roles: JsonText,
    pub(super) corpus_roles: JsonText,
    pub(super) agent_roles: JsonText,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Auto,
    Manual,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::dialects::agent_key) struct Config {
    #[serde(default)]
    pub(super) members: Object,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<Identity>,
}

impl Config {
    /// Returns what is stored about an agent; the default for an agent that another dialect created.
    pub(in crate::dialects::agent_key) fn of(agent: &Agent) -> Self {
        agent.settings_of(DialectName::AgentKey).unwrap_or_default()
    }

    /// Returns the agent's settings of all dialects, with this configuration in place of the old one.
    pub(super) fn within(&self, settings: &JsonText) -> Result<JsonText, AgentKeyError> {
        crate::domain::agent::with_settings(settings, DialectName::AgentKey, self)
            .map_err(|_| Rejection::Internal.into())
    }

    /// Replaces all members with those of a body.
    ///
    /// # Errors
    /// [`AgentKeyError::InvalidField`] (400) and its like if a member is not valid or the configuration is too large.
    pub(super) fn replace(&mut self, body: IndexMap<String, JsonField>) -> Result<(), AgentKeyError> {
        self.members.clear();
        self.patch(body)
    }

    /// Applies a PATCH: null removes a member, maps are merged, every other member is replaced.
    ///
    /// # Errors
    /// [`AgentKeyError::InvalidField`] (400) and its like if a member is not valid or the configuration is too large.
    pub(super) fn patch(&mut self, body: IndexMap<String, JsonField>) -> Result<(), AgentKeyError> {
        for (name, given) in body {
            let given = match given {
                JsonField::Absent => continue,
                _ if NOT_CONFIG.contains(&name.as_str()) => continue,
                JsonField::Null => {
                    self.members.shift_remove(&name);
                    continue;
                }
                JsonField::Object(new) if MAPS.contains(&name.as_str()) || name == "first_step" => {
                    let old = self.members.get(&name);
                    merged(old, &new, name == "steps").ok_or(Rejection::Internal)?
                }
                given => given.to_json().map(std::borrow::Cow::into_owned).ok_or(Rejection::Internal)?,
            };
            self.members.insert(name, given);
        }
        self.check()
    }

    fn check(&self) -> Result<(), AgentKeyError> {
        let is_object = |text: &JsonText| text.as_str().starts_with('{');
        for name in ["tool_configurations", "skills", "steps", "first_step", "compaction", "tool_output_offloading"] {
            if self.members.get(name).is_some_and(|value| !is_object(value)) {
                return Err(invalid(name, "must be an object"));
            }
        }
        for name in ["tool_configurations", "skills", "steps"] {
            if !self.entries(name).values().all(is_object) {
                return Err(invalid(name, "must be a map of objects"));
            }
        }
        if let Some(metadata) = self.members.get("metadata") {
            let given = if is_object(metadata) { JsonField::Object(metadata.clone()) } else { JsonField::Bool(false) };
            patch::metadata(given)?;
        }
        let is_name =
            |name: &JsonText| name.read::<String>().is_ok_and(|name| (1..=200).contains(&name.chars().count()));
        if let Some(model) = self.members.get("model") {
            let name = model.read::<Object>().ok().and_then(|model| model.get("name").map(is_name));
            if name != Some(true) {
                return Err(invalid("model", "must be an object with a name of 1 to 200 characters"));
            }
        }
        if self.members.get("first_step_name").is_some_and(|name| !is_name(name)) {
            return Err(invalid("first_step_name", "must be a string of 1 to 200 characters"));
        }
        if self.entries("first_step").get("name").is_some_and(|name| name.as_str() != "null" && !is_name(name)) {
            return Err(invalid("first_step", "must have a name of 1 to 200 characters"));
        }
        if let Some(compaction) = self.members.get("compaction") {
            Compaction::check(compaction)?;
        }
        let bytes: usize = self.members.iter().map(|(name, value)| name.len() + value.as_str().len()).sum();
        if bytes > CONFIG_LIMIT {
            let message = format!("The agent's configuration must not exceed {CONFIG_LIMIT} bytes.");
            return Err(AgentKeyError::TooLarge(message));
        }
        Ok(())
    }

    /// Returns the entries of a member that is an object; none if it is absent.
    pub(super) fn entries(&self, name: &str) -> Object {
        self.members.get(name).and_then(|value| value.read().ok()).unwrap_or_default()
    }

    /// Returns the content of the skill with this name.
    pub(in crate::dialects::agent_key) fn skill(&self, name: &str) -> Option<String> {
        let skill: Object = self.entries("skills").get(name)?.read().ok()?;
        skill.get("content")?.read().ok()
    }

    /// Returns how many of the latest messages a compaction leaves unchanged, by default 1.
    pub(in crate::dialects::agent_key) fn keep_recent_inputs(&self) -> usize {
        let configured = self.entries("compaction").get("keep_recent_inputs").and_then(|value| value.read().ok());
        configured.unwrap_or(1)
    }
}

/// Returns an object with the new members set, and without those that are null in `new`. With `deep`, members that are
/// objects in `new` are merged in the same way. Returns `None` if `new` cannot be read.
fn merged(old: Option<&JsonText>, new: &JsonText, deep: bool) -> Option<JsonText> {
    let mut all: Object = old.and_then(|old| old.read().ok()).unwrap_or_default();
    for (name, value) in new.read::<Object>().ok()? {
        if value.as_str() == "null" {
            all.shift_remove(&name);
        } else if deep && value.as_str().starts_with('{') {
            let value = merged(all.get(&name), &value, false)?;
            all.insert(name, value);
        } else {
            all.insert(name, value);
        }
    }
    JsonText::of(&all).ok()
}

/// The settings of a compaction that are checked. Others are stored unchecked.
#[derive(Deserialize)]
struct Compaction {
    #[serde(default)]
    enabled: JsonField,
    #[serde(default)]
    threshold_percent: JsonField,
    #[serde(default)]
    keep_recent_inputs: JsonField,
    #[serde(default)]
    compaction_message: JsonField,
    #[serde(default)]
    tool_event_policy: JsonField,
}

impl Compaction {
    fn check(compaction: &JsonText) -> Result<(), AgentKeyError> {
        let rejected = |message| Err(invalid("compaction", message));
        let Ok(given) = compaction.read::<Self>() else { return rejected("names a member twice") };
        let none_or = |given: &JsonField, fits: bool| given.is_missing() || fits;
        let within = |given: &JsonField, min, max| given.as_i64().is_some_and(|n| (min..=max).contains(&n));
        if !none_or(&given.enabled, matches!(given.enabled, JsonField::Bool(_))) {
            rejected("enabled must be a boolean")
        } else if !none_or(&given.threshold_percent, within(&given.threshold_percent, 50, 95)) {
            rejected("threshold_percent must be an integer from 50 to 95")
        } else if !none_or(&given.keep_recent_inputs, within(&given.keep_recent_inputs, 1, i64::from(i32::MAX))) {
            rejected("keep_recent_inputs must be an integer of 1 or more")
        } else if !none_or(
            &given.compaction_message,
            given.compaction_message.as_str().is_some_and(|text| text.chars().count() <= 10_000),
        ) {
            rejected("compaction_message must be a string of at most 10000 characters")
        } else if !none_or(
            &given.tool_event_policy,
            matches!(given.tool_event_policy.as_str(), Some("exclude" | "include_outputs" | "include_all")),
        ) {
            rejected("tool_event_policy must be exclude, include_outputs or include_all")
        } else {
            Ok(())
        }
    }
}
