//! Validates the members of a body: an absent member stays unchanged, null clears it, and a value replaces it.

use std::ops::RangeInclusive;

use super::AgentKeyError;
use crate::domain::{JsonField, JsonText, Patch};

pub(super) fn invalid(field: &'static str, message: impl Into<String>) -> AgentKeyError {
    AgentKeyError::InvalidField { field, message: message.into() }
}

/// Returns a string whose number of characters is within `length`.
pub(super) fn text(
    given: JsonField,
    field: &'static str,
    length: RangeInclusive<usize>,
) -> Result<Patch<String>, AgentKeyError> {
    match given {
        JsonField::Absent => Ok(Patch::Keep),
        JsonField::Null => Ok(Patch::Clear),
        JsonField::String(text) if length.contains(&text.chars().count()) => Ok(Patch::Set(text)),
        _ if *length.start() == 0 => {
            Err(invalid(field, format!("must be a string of at most {} characters", length.end())))
        }
        _ => Err(invalid(field, format!("must be a string of {} to {} characters", length.start(), length.end()))),
    }
}

pub(super) fn boolean(given: &JsonField, field: &'static str) -> Result<Patch<bool>, AgentKeyError> {
    match given {
        JsonField::Absent => Ok(Patch::Keep),
        JsonField::Null => Ok(Patch::Clear),
        JsonField::Bool(value) => Ok(Patch::Set(*value)),
        _ => Err(invalid(field, "must be a boolean")),
    }
}

/// Returns an integer of 0 or more.
pub(super) fn count(given: &JsonField, field: &'static str) -> Result<Patch<i64>, AgentKeyError> {
    match given {
        JsonField::Absent => Ok(Patch::Keep),
        JsonField::Null => Ok(Patch::Clear),
        given => match given.as_i64().filter(|count| *count >= 0) {
            Some(count) => Ok(Patch::Set(count)),
            None => Err(invalid(field, "must be an integer of 0 or more")),
        },
    }
}

/// UTF-16 code units of metadata as compact JSON; the vendor documents no limit.
const METADATA_LIMIT: usize = 65_536;

/// Returns metadata: any object within the limit.
pub(super) fn metadata(given: JsonField) -> Result<Patch<JsonText>, AgentKeyError> {
    match given {
        JsonField::Absent => Ok(Patch::Keep),
        JsonField::Null => Ok(Patch::Clear),
        JsonField::Object(object) if object.utf16_len() <= METADATA_LIMIT => Ok(Patch::Set(object)),
        JsonField::Object(_) => {
            Err(AgentKeyError::InvalidMetadata(format!("must not exceed {METADATA_LIMIT} characters")))
        }
        _ => Err(AgentKeyError::InvalidMetadata("must be an object".to_owned())),
    }
}

/// Returns the key that the client chose, or `None` if it is absent or null.
pub(super) fn key<K: std::str::FromStr>(given: &JsonField) -> Result<Option<K>, AgentKeyError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        given => match given.as_str().and_then(|key| key.parse().ok()) {
            Some(key) => Ok(Some(key)),
            None => Err(invalid("key", "must be 1 to 50 characters of 0-9, a-z, A-Z, _ and -")),
        },
    }
}
