//! What is said of a key when it is made or changed.

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
    /// Such as `chat:read`; all of the caller's own where there are none.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["chat:read", "chat:write"]))]
    scopes: JsonField,
    /// Another word for `scopes`, which counts where both are given.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    permissions: JsonField,
    /// `LIVE` (`pk_live_…`) or `DEVELOPMENT` (`pk_dev_…`).
    #[serde(default)]
    #[schema(value_type = Option<String>, default = "LIVE")]
    prefix_type: JsonField,
    /// In the future. Where there is none: never, or together with the API key that the request came with.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: JsonField,
}

/// A key that may be made. No scopes: the caller's own; and nothing of an end: the caller's, where they have one.
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

/// What is not given stays; null takes a member away, except the name.
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

/// Members that hold. `None`: not given, where null is no value of its own.
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

/// When a key is to end, if that is said: at a moment of RFC 3339 that is still to come, in whole milliseconds; null says
/// never.
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
