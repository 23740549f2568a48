//! The bodies that create and change a key.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::dialects::agntix::AgntixError;
use crate::dialects::agntix::validate::{metadata, text, word};
use crate::domain::{IssuedKey, JsonField, JsonText, KeyPrefix, Patch, Scopes, Timestamp};

/// Characters of a description. The vendor documents no limit.
const DESCRIPTION_LIMIT: usize = 1_000;

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewApiKey {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = String, required = true, example = "Production")]
    name: JsonField,
    /// At most 1,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: JsonField,
    /// At most 4,096 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// Such as `chat:read`; by default all scopes of the caller.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["chat:read", "chat:write"]))]
    scopes: JsonField,
    /// Another name for `scopes`. If both are given, `scopes` is used.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    permissions: JsonField,
    /// `LIVE` (`pk_live_…`) or `DEVELOPMENT` (`pk_dev_…`).
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "LIVE")]
    prefix_type: JsonField,
    /// In the future. By default, the key ends with the API key that creates it, or never if it is created otherwise.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: JsonField,
}

/// A validated body. Without `scopes`, the key gets the caller's; without an end, it gets the end of the caller's key,
/// if there is one.
pub(super) struct ValidatedApiKey {
    pub name: String,
    pub description: Option<String>,
    pub metadata: JsonText,
    pub scopes: Option<Scopes>,
    pub prefix: KeyPrefix,
    pub expires_at: Patch<Timestamp>,
}

impl NewApiKey {
    pub(super) fn validate(self, now: Timestamp) -> Result<ValidatedApiKey, AgntixError> {
        let (scopes, permissions) = (scopes(&self.scopes, "scopes")?, scopes(&self.permissions, "permissions")?);
        Ok(ValidatedApiKey {
            name: word(self.name, "name")?.ok_or_else(|| invalid("name should not be empty"))?,
            description: text(self.description, "description", DESCRIPTION_LIMIT)?,
            metadata: metadata(self.metadata)?,
            scopes: scopes.or(permissions),
            prefix: prefix(&self.prefix_type)?,
            expires_at: end(&self.expires_at, now)?,
        })
    }
}

/// The members to change. Null removes a member, except the name.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateApiKey {
    /// 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    name: JsonField,
    /// At most 1,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: JsonField,
    /// At most 4,096 UTF-16 code units as compact JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: JsonField,
    /// In the future.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: JsonField,
}

/// The validated members of an update; `None` if a member does not change.
pub(super) struct KeyChanges {
    name: Option<String>,
    description: Patch<String>,
    metadata: Option<JsonText>,
    expires_at: Patch<Timestamp>,
}

impl UpdateApiKey {
    pub(super) fn validate(self, now: Timestamp) -> Result<KeyChanges, AgntixError> {
        Ok(KeyChanges {
            name: word(self.name, "name")?,
            description: match self.description {
                JsonField::Absent => Patch::Keep,
                given => text(given, "description", DESCRIPTION_LIMIT)?.into(),
            },
            metadata: if self.metadata.is_absent() { None } else { Some(metadata(self.metadata)?) },
            expires_at: end(&self.expires_at, now)?,
        })
    }
}

impl KeyChanges {
    pub(super) fn apply(self, key: &mut IssuedKey) {
        if let Some(name) = self.name {
            key.name = name;
        }
        if let Some(metadata) = self.metadata {
            key.metadata = metadata;
        }
        self.description.apply_to(&mut key.description);
        self.expires_at.apply_to(&mut key.expires_at);
    }
}

pub(super) fn invalid(message: impl Into<String>) -> AgntixError {
    AgntixError::Validation(message.into())
}

fn scopes(given: &JsonField, member: &str) -> Result<Option<Scopes>, AgntixError> {
    let words: Vec<String> = match given {
        JsonField::Absent | JsonField::Null => return Ok(None),
        JsonField::Array(words) => words.read().map_err(|_| unknown(member))?,
        _ => return Err(invalid(format!("{member} must be an array"))),
    };
    if words.is_empty() {
        return Ok(None);
    }
    words.iter().map(|word| Scopes::called(word)).collect::<Option<_>>().map(Some).ok_or_else(|| unknown(member))
}

fn unknown(member: &str) -> AgntixError {
    let words: Vec<&str> = Scopes::words().collect();
    invalid(format!("each value in {member} must be one of the following values: {}", words.join(", ")))
}

fn prefix(given: &JsonField) -> Result<KeyPrefix, AgntixError> {
    match (given, given.as_str()) {
        (JsonField::Absent | JsonField::Null, _) | (_, Some("LIVE")) => Ok(KeyPrefix::default()),
        (_, Some("DEVELOPMENT")) => Ok(KeyPrefix::development()),
        _ => Err(invalid("prefixType must be one of the following values: LIVE, DEVELOPMENT")),
    }
}

/// Returns the end of a key, in whole milliseconds. Null means that the key never ends.
///
/// # Errors
/// [`AgntixError::Validation`] if it is not a time as RFC 3339 writes it, or is not in the future.
fn end(given: &JsonField, now: Timestamp) -> Result<Patch<Timestamp>, AgntixError> {
    let moment = match given {
        JsonField::Absent => return Ok(Patch::Keep),
        JsonField::Null => return Ok(Patch::Clear),
        _ => given.as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok()),
    };
    let moment = moment.and_then(|at| DateTime::from_timestamp_millis(at.timestamp_millis()));
    let moment = moment.ok_or_else(|| invalid("expiresAt must be a valid ISO 8601 date string"))?;
    if moment > now { Ok(Patch::Set(moment)) } else { Err(invalid("expiresAt must be in the future")) }
}
