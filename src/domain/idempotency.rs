//! The `Idempotency-Key`: its format and its lifetime (docs/data-model.md).

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

/// How long a key is valid, from the arrival of its first request.
pub const KEY_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// How long a running request cannot be taken over: longer than the time limit of a handler.
pub const LEASE: TimeDelta = TimeDelta::seconds(40);

/// The text that a caller gave a request so that it can be sent again: 1 to 255 printable ASCII characters.
///
/// The header is a quoted string in the IETF's draft (draft-ietf-httpapi-idempotency-key-header), but unquoted in most
/// clients. Both are accepted, as the text that was sent: `"a"` and `a` are two keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        fits.then(|| Self(text.to_owned())).ok_or(InvalidIdempotencyKey)
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("an idempotency key has 1 to 255 printable ASCII characters")]
pub struct InvalidIdempotencyKey;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_printable_and_not_too_long() {
        let longest = "k".repeat(255);
        for key in ["k", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "two words", "~!@#;,", longest.as_str()] {
            assert_eq!(key.parse::<IdempotencyKey>().unwrap().as_str(), key);
        }
        let too_long = "k".repeat(256);
        for text in ["", "tab\t", "line\n", "\u{0}", "\u{7f}", "ä", too_long.as_str()] {
            assert!(text.parse::<IdempotencyKey>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_taken_exactly_when_it_is_printable_and_short(text in "[ -~]{0,260}|.{0,20}") {
            let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
            prop_assert_eq!(text.parse::<IdempotencyKey>().ok().map(|key| key.to_string()), fits.then_some(text));
        }
    }
}
