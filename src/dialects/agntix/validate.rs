//! What several operations check.

use super::AgntixError;
use crate::domain::{JsonField, JsonText};

/// Characters of ids and short words.
pub(super) const NAME_LIMIT: usize = 200;
/// UTF-16 code units of the metadata's compact form.
const METADATA_LIMIT: usize = 4_096;

/// Returns metadata as it was sent, or an empty object if it is absent or null.
///
/// # Errors
/// [`AgntixError::Validation`] if it is not an object, or is too long.
pub(super) fn metadata(given: JsonField) -> Result<JsonText, AgntixError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(JsonText::empty_object()),
        JsonField::Object(object) if object.utf16_len() <= METADATA_LIMIT => Ok(object),
        JsonField::Object(_) => Err(invalid("metadata must be shorter than or equal to 4096 characters".to_owned())),
        _ => Err(invalid("metadata must be an object".to_owned())),
    }
}

/// Returns a text of at most `limit` characters, or `None` if it is absent or null.
///
/// # Errors
/// [`AgntixError::Validation`] if it is not a string, or is too long.
pub(super) fn text(given: JsonField, name: &str, limit: usize) -> Result<Option<String>, AgntixError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        JsonField::String(text) if text.chars().count() <= limit => Ok(Some(text)),
        JsonField::String(_) => Err(invalid(format!("{name} must be shorter than or equal to {limit} characters"))),
        _ => Err(invalid(format!("{name} must be a string"))),
    }
}

/// Returns a text of 1 to [`NAME_LIMIT`] characters, or `None` if it is absent or null.
///
/// # Errors
/// [`AgntixError::Validation`] if it is not a string, or is empty or too long.
pub(super) fn word(given: JsonField, name: &str) -> Result<Option<String>, AgntixError> {
    match text(given, name, NAME_LIMIT)? {
        Some(text) if text.is_empty() => Err(invalid(format!("{name} should not be empty"))),
        text => Ok(text),
    }
}

fn invalid(message: String) -> AgntixError {
    AgntixError::Validation(message)
}
