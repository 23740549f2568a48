//! Members of a body of which only the JSON type is known.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::JsonText;

/// Limit of the digits of an integer; 64 bits need fewer.
const MAX_DIGITS: usize = 40;

/// A member of a body as it was sent. Its JSON type is known, but it has not been validated.
///
/// Every dialect reports a wrong type in its own way, so wire types have `JsonField` members and validate them by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum JsonField {
    /// The member is not in the body.
    #[default]
    Absent,
    Null,
    Bool(bool),
    /// The number as it was sent.
    Number(JsonText),
    String(String),
    Array(JsonText),
    Object(JsonText),
}

impl JsonField {
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns whether the member is absent or null, for vendors that treat both the same.
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

    /// Returns the number, if it is an integer within 64 bits, however it is written: `7`, `7.0` or `70e-1`.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => integer(number.as_str()),
            _ => None,
        }
    }

    /// Returns the member as JSON, or `None` if it is absent.
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

impl<'de> Deserialize<'de> for JsonField {
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

/// Parses a JSON number without a fraction, within 64 bits.
fn integer(number: &str) -> Option<i64> {
    if let Ok(integer) = number.parse() {
        return Some(integer);
    }
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // The number of digits before the decimal point, after applying the exponent.
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent.parse::<i32>().ok()?);
    let significant = digits.trim_end_matches('0').len();
    if digits.bytes().all(|digit| digit == b'0') {
        return Some(0);
    }
    let point = usize::try_from(point).ok().filter(|point| (significant..=MAX_DIGITS).contains(point))?;
    format!("{sign}{:0<point$}", &digits[..significant]).parse().ok()
}

impl Serialize for JsonField {
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
        let kinds: Vec<JsonField> =
            serde_json::from_str(r#"[null, true, 12345678901234567890, "a\"b", [ 1 , 2 ], { "b" : 1, "a" : "x y" }]"#)
                .unwrap();
        let written: Vec<String> = kinds.iter().map(|k| serde_json::to_string(k).unwrap()).collect();
        assert_eq!(written, ["null", "true", "12345678901234567890", r#""a\"b""#, "[1,2]", r#"{"b":1,"a":"x y"}"#]);
        assert_eq!(JsonField::Number(JsonText::of(&7).unwrap()).as_i64(), Some(7));
        assert_eq!(JsonField::Number(JsonText::of(&7.0).unwrap()).as_i64(), Some(7));
        assert_eq!(JsonField::Number(JsonText::of(&7.5).unwrap()).as_i64(), None);
    }

    #[test]
    fn an_integer_is_a_number_without_a_fraction_however_it_is_written() {
        for (number, read) in [
            ("1.0", Some(1)),
            ("-1.000", Some(-1)),
            ("0.0", Some(0)),
            ("-0.0", Some(0)),
            ("0e999", Some(0)),
            ("1e3", Some(1_000)),
            ("1.5E1", Some(15)),
            ("70e-1", Some(7)),
            ("0.0070e3", Some(7)),
            ("9223372036854775807.0", Some(i64::MAX)),
            ("-9223372036854775808.0", Some(i64::MIN)),
            ("9223372036854775808.0", None),
            ("1e19", None),
            ("1e9999", None),
            ("1e-1", None),
            ("1.5", None),
            ("75e-1", None),
        ] {
            assert_eq!(integer(number), read, "{number}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_integer_is_read_with_zeros_behind_it(number: i64, zeros in 1usize..30) {
            let written = format!("{number}.{}", "0".repeat(zeros));
            proptest::prop_assert_eq!(integer(&written), Some(number));
            let moved = format!("{number}{}e-{zeros}", "0".repeat(zeros));
            proptest::prop_assert_eq!(integer(&moved), Some(number));
        }

        #[test]
        fn no_number_breaks_the_reader(number in "-?(0|[1-9][0-9]{0,25})([.][0-9]{1,8})?([eE][+-]?[0-9]{1,6})?") {
            if let Some(read) = integer(&number) {
                let written: f64 = number.parse().unwrap();
                proptest::prop_assert!((read as f64 - written).abs() <= written.abs() * 1e-12);
            }
        }
    }
}
