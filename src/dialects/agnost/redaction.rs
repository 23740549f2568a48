//! Removes the credentials that the vendor's clients send with their metadata (docs/dialects/agnost.md).
//!
//! The MCP clients forward the headers of the request that they track. Headers with these names contain credentials of
//! an end user, which are not stored.

use crate::domain::JsonText;
use crate::domain::json::{self, ObjectWriter};

/// Replaces a credential. The vendor's own client writes the same.
pub const REDACTED: &str = "[REDACTED]";

const SECRET_HEADERS: [&str; 6] =
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token"];

/// Returns whether a header with this name contains a credential.
#[must_use]
pub fn is_secret(header: &str) -> bool {
    let header = header.trim();
    SECRET_HEADERS.iter().any(|secret| header.eq_ignore_ascii_case(secret))
}

/// Returns metadata without the credentials among its `headers`, which may be an object or the JSON text of one. All
/// other members stay as they were sent.
#[must_use]
pub fn redacted(metadata: &JsonText) -> JsonText {
    let redacted = rewritten(metadata.as_str(), |name, value| {
        if !name.trim().eq_ignore_ascii_case("headers") {
            None
        } else if value.starts_with('"') {
            let inner: String = serde_json::from_str(value).ok()?;
            serde_json::to_string(&without_secrets(&inner)?).ok()
        } else {
            without_secrets(value)
        }
    });
    match redacted {
        None => metadata.clone(),
        Some(text) => JsonText::stored(text).unwrap_or_else(|_| JsonText::empty_object()),
    }
}

/// Returns the headers without their credentials, or `None` if these are not headers or contain no credentials.
fn without_secrets(headers: &str) -> Option<String> {
    let redacted = serde_json::to_string(REDACTED).ok()?;
    rewritten(headers, |name, _| is_secret(name).then(|| redacted.clone()))
}

/// Returns an object with other values for some of its members, or `None` if it is not an object or no value changes.
fn rewritten(object: &str, other: impl Fn(&str, &str) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let mut writer = ObjectWriter::with_capacity(object.len());
    let write = |name: &str, value: &str| match other(name, value) {
        Some(other) => {
            changed = true;
            writer.member(name, &other);
        }
        None => writer.member(name, value),
    };
    json::each_member(object, write).ok()?;
    changed.then(|| writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(metadata: &str) -> String {
        redacted(&JsonText::stored(metadata.to_owned()).unwrap()).as_str().to_owned()
    }

    #[test]
    fn only_credentials_are_removed() {
        for (sent, stored) in [
            (
                r#"{"url":"/mcp","headers":{"X-Api-Key":"k","Cookie":["a","b"],"x-request-id":"1"},"n":12345678901234567890123}"#,
                r#"{"url":"/mcp","headers":{"X-Api-Key":"[REDACTED]","Cookie":"[REDACTED]","x-request-id":"1"},"n":12345678901234567890123}"#,
            ),
            (
                r#"{"headers":"{\"authorization\":\"Bearer x\"}"}"#,
                r#"{"headers":"{\"authorization\":\"[REDACTED]\"}"}"#,
            ),
            (r#"{"he\u0061ders":{"authoriz\u0061tion":"x"}}"#, r#"{"headers":{"authorization":"[REDACTED]"}}"#),
            (
                r#"{"headers":{"accept":"*/*"},"x-api-key":"mine"}"#,
                r#"{"headers":{"accept":"*/*"},"x-api-key":"mine"}"#,
            ),
            (
                r#"{"headers":{"cookie":1,"Cookie":2},"Headers":{"cookie":3}}"#,
                r#"{"headers":{"cookie":"[REDACTED]","Cookie":"[REDACTED]"},"Headers":{"cookie":"[REDACTED]"}}"#,
            ),
            (r#"{"headers":"not json"}"#, r#"{"headers":"not json"}"#),
            (r#"{"headers":[1]}"#, r#"{"headers":[1]}"#),
            (r#""text""#, r#""text""#),
        ] {
            assert_eq!(through(sent), stored);
        }
    }
}
