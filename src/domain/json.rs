//! JSON from outside: held against what the house can keep, in one pass, before anything else reads it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// How deep arrays and objects may stand in each other. serde_json itself reads 127.
pub const MAX_DEPTH: usize = 100;

/// The longest number, in characters, and the largest exponent either way. Postgres' `numeric` has 131,072 digits
/// before and 16,383 after the point; anything near that is no measurement of anything.
const MAX_NUMBER_LENGTH: usize = 1_000;
const MAX_EXPONENT: i32 = 10_000;

/// Why a JSON text cannot be kept.
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

/// Checks depth, U+0000, surrogates and numbers; the syntax is the parser's to judge afterwards.
///
/// # Errors
/// The first fault met.
pub fn check(bytes: &[u8]) -> Result<&str, JsonFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonFault::NotUtf8)?;
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
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

/// Reads a string from behind its opening quote to behind its closing one.
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

/// Writes U+FFFD for every escape that cannot be kept: U+0000, and half a surrogate pair. For texts that would be lost
/// if they were refused.
#[must_use]
pub fn mend(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let unit = |at: usize| {
            let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
            hex_unit(digits.as_bytes()).ok()
        };
        let kept = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0 | 0xd800..=0xdfff), _) => 0,
            (Some(_), _) => 6,
            // A two-character escape; what follows the backslash may be longer than a byte in a broken text.
            (None, _) => 1 + rest[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..at + kept]);
        if kept == 0 {
            mended.push('\u{fffd}');
        }
        rest = &rest[at + if kept == 0 { 6 } else { kept }..];
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
        // An exponent that is no i32 is either out of range or no number at all.
        Some((_, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if exponent.abs() <= MAX_EXPONENT => Ok(()),
            _ => Err(JsonFault::NumberOutOfRange),
        },
    }
}

/// A checked JSON text without white space between its tokens: key order and big integers as they were sent.
#[derive(Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// The empty object.
    #[must_use]
    pub fn empty_object() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// Keeps a value of ours.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, for instance a map whose keys are no strings.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// Takes the white space out of a member of a checked body.
    #[must_use]
    pub fn compact(raw: &RawValue) -> Self {
        let compact = without_white_space(raw.get());
        Self(RawValue::from_string(compact).unwrap_or_else(|_| raw.to_owned()))
    }

    /// Reads what the database kept.
    ///
    /// # Errors
    /// When `text` is no JSON.
    pub fn stored(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads it as a type of ours.
    ///
    /// # Errors
    /// When the text does not fit `T`.
    pub fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// Its length in UTF-16 code units as JavaScript's `JSON.stringify` would write it: the unit in which Agntix and
    /// ElizaOS limit metadata. Escapes count as what they stand for; numbers count as they were sent.
    #[must_use]
    pub fn utf16_len(&self) -> usize {
        let mut units = 0;
        let mut chars = self.as_str().chars();
        while let Some(c) = chars.next() {
            units += if c != '\\' {
                c.len_utf16()
            } else {
                match chars.next() {
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).collect();
                        stringified_len(u16::from_str_radix(&digits, 16).unwrap_or_default())
                    }
                    Some('/') => 1,
                    _ => 2,
                }
            };
        }
        units
    }
}

/// How many UTF-16 units `JSON.stringify` spends on the one that an escape stood for.
fn stringified_len(unit: u16) -> usize {
    match unit {
        0x08 | 0x09 | 0x0a | 0x0c | 0x0d | 0x22 | 0x5c => 2,
        0x00..=0x1f => 6,
        _ => 1,
    }
}

fn without_white_space(text: &str) -> String {
    let mut compact = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c.is_ascii_whitespace() {
            continue;
        } else {
            in_string = c == '"';
        }
        compact.push(c);
    }
    compact
}

impl fmt::Debug for JsonText {
    /// The length only: what it says may be a conversation, and conversations do not go into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonText({} bytes)", self.as_str().len())
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// A member of a body as it came: its kind is known, nothing about it has been judged.
///
/// Every dialect words a wrong type in its own way, so wire types take members as `Given` and judge them by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Given {
    /// Not in the body.
    #[default]
    Absent,
    Null,
    Bool(bool),
    /// The number as it was written.
    Number(JsonText),
    String(String),
    Array(JsonText),
    Object(JsonText),
}

impl Given {
    /// Absent, or null where the vendor means the same by it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Absent | Self::Null)
    }

    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// An integer written as one: no point, no exponent, within 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    /// The member as JSON, `None` when it is absent.
    #[must_use]
    pub fn to_json(&self) -> Option<Cow<'_, JsonText>> {
        match self {
            Self::Absent => None,
            Self::Number(json) | Self::Array(json) | Self::Object(json) => Some(Cow::Borrowed(json)),
            Self::Null => JsonText::of(&()).ok().map(Cow::Owned),
            Self::Bool(value) => JsonText::of(value).ok().map(Cow::Owned),
            Self::String(text) => JsonText::of(text).ok().map(Cow::Owned),
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(match raw.get().as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::String(serde_json::from_str(raw.get()).map_err(D::Error::custom)?),
            Some(b'[') => Self::Array(JsonText::compact(&raw)),
            Some(b'{') => Self::Object(JsonText::compact(&raw)),
            _ => Self::Number(JsonText(raw)),
        })
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_json() {
            Some(json) => json.serialize(serializer),
            None => serializer.serialize_unit(),
        }
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
    fn members_say_their_kind() {
        let kinds: Vec<Given> =
            serde_json::from_str(r#"[null, true, 12345678901234567890, "a\"b", [ 1 , 2 ], { "b" : 1, "a" : "x y" }]"#)
                .unwrap();
        let written: Vec<String> = kinds.iter().map(|k| serde_json::to_string(k).unwrap()).collect();
        assert_eq!(written, ["null", "true", "12345678901234567890", r#""a\"b""#, "[1,2]", r#"{"b":1,"a":"x y"}"#]);
        assert_eq!(Given::Number(JsonText::of(&7).unwrap()).as_i64(), Some(7));
        assert_eq!(Given::Number(JsonText::of(&7.0).unwrap()).as_i64(), None);
    }

    #[test]
    fn length_is_javascripts() {
        // Each pair: a JSON text, and JSON.stringify(JSON.parse(text)).length as Node prints it.
        for (text, units) in [
            (r#"{ "a" : 1 }"#, 7),
            (r#""\u0041""#, 3),
            (r#""\/""#, 3),
            (r#""\n\u000a\u0001""#, 12),
            (r#""é😀""#, 5),
            (r#""\ud83d\ude00""#, 4),
            (r#""\u2028""#, 3),
        ] {
            let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
            assert_eq!(JsonText::compact(&raw).utf16_len(), units, "{text}");
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[^\u{0}]{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::vec(("[^\u{0}]{0,6}", inner), 0..4)
                    .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn compacting_changes_nothing_but_white_space(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert!(check(pretty.as_bytes()).is_ok());
            let raw: Box<RawValue> = serde_json::from_str(&pretty).unwrap();
            let compact = JsonText::compact(&raw);
            let expected = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(compact.utf16_len(), expected.encode_utf16().count());
            prop_assert_eq!(compact.as_str(), expected);
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
