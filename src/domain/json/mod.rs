//! JSON from outside: checked in one pass for what cannot be stored, before it is parsed.

mod bounded;
mod field;
mod members;
mod text;

pub use bounded::within;
pub use field::JsonField;
pub use members::{ObjectWriter, each_member};
pub use text::JsonText;

use std::borrow::Cow;

/// Limit of the nesting of arrays and objects. serde_json's own limit is 127.
pub const MAX_DEPTH: usize = 100;

/// The longest number, in characters, and the largest exponent either way. Postgres' `numeric` has 131,072 digits
/// before and 16,383 after the point; no real measurement is near these limits.
const MAX_NUMBER_LENGTH: usize = 1_000;
const MAX_EXPONENT: i32 = 10_000;

/// Why a JSON text cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    #[error("the body is not valid UTF-8")]
    NotUtf8,
    #[error("the JSON is nested too deeply (at most 100 levels)")]
    TooDeep,
    #[error("the JSON contains the character U+0000, which cannot be stored")]
    Nul,
    #[error("the JSON contains half of a surrogate pair")]
    LoneSurrogate,
    #[error("the JSON contains a number that is too large or too long")]
    NumberOutOfRange,
    #[error("the body is not valid JSON")]
    Syntax,
}

/// The byte order mark, which some editors and clients put before a UTF-8 text. It is not part of the text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Returns the bytes without a leading byte order mark.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes)
}

/// Checks depth, U+0000, surrogates and numbers, but not the syntax, which the parser checks later. Returns the text
/// without a byte order mark.
///
/// # Errors
/// The first fault in the text.
pub fn check(bytes: &[u8]) -> Result<&str, JsonFault> {
    check_within(bytes, MAX_DEPTH)
}

/// Checks like [`check`], with another limit of the nesting, below that of serde_json.
///
/// # Errors
/// The first fault in the text.
pub fn check_within(bytes: &[u8], max_depth: usize) -> Result<&str, JsonFault> {
    let bytes = without_mark(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| JsonFault::NotUtf8)?;
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > max_depth {
                    return Err(JsonFault::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.checked_sub(1).ok_or(JsonFault::Syntax)?,
            b'"' => at = check_string(bytes, at)?,
            b'-' | b'0'..=b'9' => {
                let start = at - 1;
                while bytes.get(at).is_some_and(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
                    at += 1;
                }
                check_number(&text[start..at])?;
            }
            _ => {}
        }
    }
    Ok(text)
}

/// Checks a body like [`check`], but replaces a lone surrogate by U+FFFD, because a client that cuts a text within an
/// emoji sends one, and its message is more important than the half character. The text is copied only if there is one.
///
/// # Errors
/// The first other fault in the text.
pub fn check_or_mend(bytes: &[u8]) -> Result<Cow<'_, str>, JsonFault> {
    match check(bytes) {
        Err(JsonFault::LoneSurrogate) => {
            let text = std::str::from_utf8(bytes).map_err(|_| JsonFault::NotUtf8)?;
            let mended = replace_units(text, |unit| matches!(unit, 0xd800..=0xdfff));
            check(mended.as_bytes())?;
            Ok(Cow::Owned(mended))
        }
        checked => checked.map(Cow::Borrowed),
    }
}

/// Checks a string from after its opening quote. Returns the position after its closing quote.
fn check_string(bytes: &[u8], mut at: usize) -> Result<usize, JsonFault> {
    let mut high_surrogate = false;
    loop {
        let byte = *bytes.get(at).ok_or(JsonFault::Syntax)?;
        at += 1;
        let escaped = if byte == b'\\' {
            let escape = *bytes.get(at).ok_or(JsonFault::Syntax)?;
            at += 1;
            if escape == b'u' {
                let unit = hex_unit(bytes.get(at..at + 4).ok_or(JsonFault::Syntax)?)?;
                at += 4;
                Some(unit)
            } else {
                None
            }
        } else {
            None
        };
        match (high_surrogate, escaped) {
            (_, Some(0)) => return Err(JsonFault::Nul),
            (false, Some(0xd800..=0xdbff)) => high_surrogate = true,
            (true, Some(0xdc00..=0xdfff)) => high_surrogate = false,
            (true, _) | (false, Some(0xdc00..=0xdfff)) => return Err(JsonFault::LoneSurrogate),
            (false, _) if byte == b'"' => return Ok(at),
            (false, _) => {}
        }
    }
}

/// Replaces every escape that cannot be stored by U+FFFD: U+0000 and lone surrogates. For texts that would be lost if
/// they were rejected.
#[must_use]
pub fn mend(text: &str) -> String {
    replace_units(text, |unit| matches!(unit, 0 | 0xd800..=0xdfff))
}

/// Replaces every escaped UTF-16 unit by U+FFFD for which `is_bad` is true and that is not part of a surrogate pair.
fn replace_units(text: &str, is_bad: fn(u16) -> bool) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let unit = |at: usize| {
            let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
            hex_unit(digits.as_bytes()).ok()
        };
        let taken = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(unit), _) if is_bad(unit) => 0,
            (Some(_), _) => 6,
            // A two-character escape. In an invalid text, the character after the backslash may be longer than a byte.
            (None, _) => 1 + rest[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..at + taken]);
        if taken == 0 {
            mended.push('\u{fffd}');
        }
        rest = &rest[at + if taken == 0 { 6 } else { taken }..];
    }
    mended.push_str(rest);
    mended
}

fn hex_unit(digits: &[u8]) -> Result<u16, JsonFault> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| u16::from_str_radix(digits, 16).ok())
        .ok_or(JsonFault::Syntax)
}

fn check_number(text: &str) -> Result<(), JsonFault> {
    if text.len() > MAX_NUMBER_LENGTH {
        return Err(JsonFault::NumberOutOfRange);
    }
    match text.split_once(['e', 'E']) {
        None => Ok(()),
        // An exponent that is not an i32 is either out of range or not a number.
        Some((_, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if exponent.abs() <= MAX_EXPONENT => Ok(()),
            _ => Err(JsonFault::NumberOutOfRange),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_kept_is_named() {
        let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
        for (text, verdict) in [
            (deep(100), Ok(())),
            (deep(101), Err(JsonFault::TooDeep)),
            (deep(5_000), Err(JsonFault::TooDeep)),
            (r#""\u0000""#.into(), Err(JsonFault::Nul)),
            (r#"{"a\u0000":1}"#.into(), Err(JsonFault::Nul)),
            (r#""\\u0000""#.into(), Ok(())),
            (r#""\ud83d\ude00""#.into(), Ok(())),
            (r#""\ud83d""#.into(), Err(JsonFault::LoneSurrogate)),
            (r#""\ud83dx""#.into(), Err(JsonFault::LoneSurrogate)),
            (r#""\ud83d\n""#.into(), Err(JsonFault::LoneSurrogate)),
            (r#""\ud83d\ud83d\ude00""#.into(), Err(JsonFault::LoneSurrogate)),
            (r#""\ude00""#.into(), Err(JsonFault::LoneSurrogate)),
            ("1e999".into(), Ok(())),
            ("1e999999".into(), Err(JsonFault::NumberOutOfRange)),
            ("-1E-999999".into(), Err(JsonFault::NumberOutOfRange)),
            ("1e99999999999999999999".into(), Err(JsonFault::NumberOutOfRange)),
            ("9".repeat(1_000), Ok(())),
            ("9".repeat(1_001), Err(JsonFault::NumberOutOfRange)),
            (r#""1e999999 in a text""#.into(), Ok(())),
            ("]".into(), Err(JsonFault::Syntax)),
            ("\"open".into(), Err(JsonFault::Syntax)),
            (r#""\u12"#.into(), Err(JsonFault::Syntax)),
            (r#""\u+123""#.into(), Err(JsonFault::Syntax)),
        ] {
            assert_eq!(check(text.as_bytes()).map(|_| ()), verdict, "{}", &text[..text.len().min(40)]);
        }
        assert_eq!(check(b"\"\xff\""), Err(JsonFault::NotUtf8));
        assert_eq!(check(b"\xef\xbb\xbf{}"), Ok("{}"));
    }

    #[test]
    fn mending_takes_out_what_cannot_be_kept() {
        for (text, mended) in [
            (r#"{"a":"x\u0000y"}"#, "{\"a\":\"x\u{fffd}y\"}"),
            (r#""\\u0000""#, r#""\\u0000""#),
            (r#""\ud83d""#, "\"\u{fffd}\""),
            (r#""\ud83d\n\u0041""#, "\"\u{fffd}\\n\\u0041\""),
            (r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}\\ud83d\\ude00\""),
            (r#""\ude00""#, "\"\u{fffd}\""),
            (r#""plain é""#, r#""plain é""#),
        ] {
            assert_eq!(mend(text), mended);
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_mended_and_nothing_else_is() {
        let mend = |text: &'static str| check_or_mend(text.as_bytes());
        for (text, mended) in [
            (r#"{"a":"nice \ud83d"}"#, "{\"a\":\"nice \u{fffd}\"}"),
            (r#"["\ud83d\ude00", "\ude00\ud83d"]"#, "[\"\\ud83d\\ude00\", \"\u{fffd}\u{fffd}\"]"),
            (r#"{"\uD83D":"\\ud83d"}"#, "{\"\u{fffd}\":\"\\\\ud83d\"}"),
        ] {
            assert_eq!(mend(text).as_deref(), Ok(mended));
        }
        assert_eq!(mend(r#""\ud83d\u0000""#), Err(JsonFault::Nul));
        assert_eq!(mend(r#"["\ud83d", 1e99999]"#), Err(JsonFault::NumberOutOfRange));
        assert!(matches!(mend(r#""\ud83d\ude00""#), Ok(Cow::Borrowed(_))), "a good body is not copied");
        // serde_json must read the mended text as JavaScript's `toWellFormed` returns it.
        let read: String = serde_json::from_str(&mend(r#""a\ud83db\ud83d\ud83d\ude00""#).unwrap()).unwrap();
        assert_eq!(read, "a\u{fffd}b\u{fffd}😀");
    }

    proptest! {
        #[test]
        fn a_string_passes_exactly_when_it_can_be_stored(
            units in prop::collection::vec(prop_oneof![
                "[a-zé😀]{1,3}", r#"\\["\\/bfnrt]"#, r"\\u[0-9a-fA-F]{4}", r"\\u(0000|d83d|D83D|de00|DE00|dbff|dc00)",
            ], 0..12),
        ) {
            let text = format!("\"{}\"", units.concat());
            // serde_json rejects lone surrogates itself, but accepts U+0000.
            let stored = serde_json::from_str::<String>(&text).is_ok_and(|text| !text.contains('\0'));
            prop_assert_eq!(check(text.as_bytes()).is_ok(), stored, "{}", text);
            if stored {
                prop_assert_eq!(mend(&text), text);
            } else {
                let mended = mend(&text);
                prop_assert!(serde_json::from_str::<String>(&mended).is_ok(), "{} became {}", text, mended);
                prop_assert_eq!(mend(&mended), mended);
            }
        }

        #[test]
        fn a_text_passes_exactly_when_it_is_no_deeper_than_the_limit(
            opened in 0usize..130, words in prop::collection::vec(r#"\[\]|\{\}|"[^"\\]{0,4}"|[ ,:]|17"#, 0..8),
        ) {
            let text = format!("{}{}{}", "[".repeat(opened), words.concat(), "]".repeat(opened));
            let deepest = opened + usize::from(words.iter().any(|word| ["[]", "{}"].contains(&word.as_str())));
            let verdict = if deepest > MAX_DEPTH { Err(JsonFault::TooDeep) } else { Ok(()) };
            let checked = check(text.as_bytes()).map(|_| ());
            prop_assert_eq!(if text.contains('\0') { verdict } else { checked }, verdict);
        }

        #[test]
        fn a_number_passes_exactly_when_postgres_can_store_it(digits in 1usize..1_200, exponent in -20_000i32..20_000) {
            let mantissa = "7".repeat(digits);
            prop_assert_eq!(check(mantissa.as_bytes()).is_ok(), digits <= MAX_NUMBER_LENGTH);
            let number = format!("-{}.5e{exponent}", &mantissa[..digits.min(20)]);
            prop_assert_eq!(check(number.as_bytes()).is_ok(), exponent.abs() <= MAX_EXPONENT);
        }

        #[test]
        fn a_mended_text_passes(text in r#"([a-zé"]|\\\\|\\u0000|\\ud83d|\\ude00|\\u0041|\\\\n|\\\\\\\\)*"#) {
            let mended = mend(&text);
            prop_assert!(!matches!(check(mended.as_bytes()), Err(JsonFault::Nul | JsonFault::LoneSurrogate)));
        }

        #[test]
        fn the_check_never_panics_and_lets_no_nul_through(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(text) = check(&bytes)
                && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
            {
                prop_assert!(!value.to_string().contains("\\u0000"));
            }
        }
    }
}
