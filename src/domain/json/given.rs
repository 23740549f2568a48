//! Members whose kind is known and nothing else.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::JsonText;

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
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

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
            _ => Self::Number(JsonText::compact(&raw)),
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
}
