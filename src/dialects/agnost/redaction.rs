//! Credentials that a vendor's client sent along with its metadata (apis/agnost, section 7, point 17).
//!
//! The MCP clients forward the headers of the request that they track. What a header of these names says is a
//! credential of somebody's user, and is not kept.

use indexmap::IndexMap;

use crate::domain::JsonText;

/// What stands in a credential's place; the vendor's own client writes the same.
pub const REDACTED: &str = "[REDACTED]";

const SECRET_HEADERS: [&str; 6] =
    ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key", "x-auth-token"];

/// Whether a header of this name carries a credential.
#[must_use]
pub fn is_secret(header: &str) -> bool {
    let header = header.trim();
    SECRET_HEADERS.iter().any(|secret| header.eq_ignore_ascii_case(secret))
}

/// Metadata without the credentials among its `headers`, which may be an object or the JSON text of one. Everything
/// else stays as it was sent.
#[must_use]
pub fn redacted(metadata: &JsonText) -> JsonText {
    let Ok(mut members) = metadata.read::<IndexMap<String, JsonText>>() else { return metadata.clone() };
    let mut changed = false;
    for (name, value) in &mut members {
        if !name.trim().eq_ignore_ascii_case("headers") {
            continue;
        }
        if let Some(headers) = without_secrets(value) {
            *value = headers;
            changed = true;
        } else if let Ok(text) = value.read::<String>()
            && let Ok(inner) = JsonText::stored(text)
            && let Some(headers) = without_secrets(&inner)
            && let Ok(headers) = JsonText::of(&headers.as_str())
        {
            *value = headers;
            changed = true;
        }
    }
    if changed { JsonText::of(&members).unwrap_or_else(|_| JsonText::empty_object()) } else { metadata.clone() }
}

/// The headers without their credentials; `None` where these are no headers, or hold none.
fn without_secrets(headers: &JsonText) -> Option<JsonText> {
    let mut headers = headers.read::<IndexMap<String, JsonText>>().ok()?;
    let mut changed = false;
    for (name, value) in &mut headers {
        if is_secret(name) {
            *value = JsonText::of(&REDACTED).ok()?;
            changed = true;
        }
    }
    changed.then(|| JsonText::of(&headers).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(metadata: &str) -> String {
        redacted(&JsonText::stored(metadata.to_owned()).unwrap()).as_str().to_owned()
    }

    #[test]
    fn credentials_are_taken_out_and_nothing_else() {
        for (sent, kept) in [
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
            (r#"{"headers":"not json"}"#, r#"{"headers":"not json"}"#),
            (r#"{"headers":[1]}"#, r#"{"headers":[1]}"#),
            (r#""text""#, r#""text""#),
        ] {
            assert_eq!(through(sent), kept);
        }
    }
}
