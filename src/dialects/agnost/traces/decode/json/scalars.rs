//! Reads numbers, enumerations, ids and bytes as protobuf's JSON writes them.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A number, or a text with a number or a name.
enum Number {
    Signed(i64),
    Unsigned(u64),
    Real(f64),
    Name(String),
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Number;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
                Ok(Number::Signed(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number::Unsigned(number))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
                Ok(Number::Real(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                let number = text
                    .parse()
                    .map(Number::Signed)
                    .or_else(|_| text.parse().map(Number::Unsigned))
                    .or_else(|_| text.parse::<f64>().map(Number::Real));
                Ok(number.unwrap_or_else(|_| Number::Name(text.to_owned())))
            }
        }

        deserializer.deserialize_any(Read)
    }
}

impl Number {
    /// Returns the number if it is whole and in range.
    fn whole(&self) -> Option<i128> {
        match self {
            Self::Signed(number) => Some((*number).into()),
            Self::Unsigned(number) => Some((*number).into()),
            Self::Real(number) => (number.fract() == 0.0 && number.abs() < 1e20).then_some(*number as i128),
            Self::Name(_) => None,
        }
    }
}

/// A whole number without a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsigned(pub u64);

impl Unsigned {
    pub fn narrow(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<'de> Deserialize<'de> for Unsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?.whole().and_then(|number| number.try_into().ok());
        number.map(Self).ok_or_else(|| D::Error::custom("no whole number"))
    }
}

/// A whole number of 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signed(pub i64);

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?.whole().and_then(|number| number.try_into().ok());
        number.map(Self).ok_or_else(|| D::Error::custom("no whole number of 64 bits"))
    }
}

/// Any number, and `NaN` and the infinities by their names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Real(pub f64);

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Number::deserialize(deserializer)? {
            Number::Signed(number) => Ok(Self(number as f64)),
            Number::Unsigned(number) => Ok(Self(number as f64)),
            Number::Real(number) => Ok(Self(number)),
            Number::Name(_) => Err(D::Error::custom("no number")),
        }
    }
}

/// Reads an enumeration by number or name. `names` are the names of the numbers from 0.
fn enumeration<'de, D: Deserializer<'de>>(deserializer: D, names: &[&str]) -> Result<i32, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let value = match &number {
        Number::Name(name) => names.iter().position(|known| known == name).and_then(|at| at.try_into().ok()),
        number => number.whole().and_then(|number| number.try_into().ok()),
    };
    value.ok_or_else(|| D::Error::custom("no member of the enumeration"))
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanKind(pub i32);

impl<'de> Deserialize<'de> for SpanKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const NAMES: [&str; 6] = [
            "SPAN_KIND_UNSPECIFIED",
            "SPAN_KIND_INTERNAL",
            "SPAN_KIND_SERVER",
            "SPAN_KIND_CLIENT",
            "SPAN_KIND_PRODUCER",
            "SPAN_KIND_CONSUMER",
        ];
        enumeration(deserializer, &NAMES).map(Self)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCode(pub i32);

impl<'de> Deserialize<'de> for StatusCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        enumeration(deserializer, &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"]).map(Self)
    }
}

/// An id in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Self).map_err(|_| D::Error::custom("no hexadecimal digits"))
    }
}

/// Bytes in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const ENGINE: GeneralPurpose = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        let text = String::deserialize(deserializer)?.replace('-', "+").replace('_', "/");
        ENGINE.decode(text).map(Self).map_err(D::Error::custom)
    }
}
