//! JSON that has been checked and can be stored.

use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A checked JSON text without white space between its tokens. The order of keys and large integers are as they were
/// sent.
#[derive(Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Returns `true` or `false`.
    #[must_use]
    pub fn truth(value: bool) -> Self {
        Self(if value { RawValue::TRUE } else { RawValue::FALSE }.to_owned())
    }

    /// Returns the empty object.
    #[must_use]
    pub fn empty_object() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// Returns the JSON of a value.
    ///
    /// # Errors
    /// When `value` cannot be written as JSON, for instance a map whose keys are not strings.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// Returns a member of a checked body without white space.
    #[must_use]
    pub fn compact(raw: &RawValue) -> Self {
        let compact = without_white_space(raw.get());
        Self(RawValue::from_string(compact).unwrap_or_else(|_| raw.to_owned()))
    }

    /// Returns a text from the database.
    ///
    /// # Errors
    /// When `text` is not JSON.
    pub fn stored(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Parses it as a type.
    ///
    /// # Errors
    /// When the text does not fit `T`.
    pub fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// Returns the length of JavaScript's `JSON.stringify` of it in UTF-16 code units, the unit of Agntix's and
    /// ElizaOS's limits for metadata. Escapes count as their characters; numbers count as they were sent.
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

/// Returns how many UTF-16 units `JSON.stringify` uses for one unit that was escaped.
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
    /// Formats only the length, because the text may be a conversation, which must not be logged.
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

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use proptest::prelude::*;

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
    }
}
