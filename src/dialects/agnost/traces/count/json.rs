//! Counts an export in JSON without building it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Count, CountError, MEMBERS_PER_OBJECT};

/// Counts an export in JSON whose depth has been checked.
///
/// # Errors
/// [`CountError`] for the first limit that is exceeded, or [`CountError::Malformed`] if the text is not JSON.
pub fn json(text: &str) -> Result<Count, CountError> {
    let mut walk = JsonWalk { count: Count::default(), exceeded: None };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walked = Any { walk: &mut walk, is_spans: false }.deserialize(&mut deserializer);
    match (walk.exceeded, walked.and_then(|()| deserializer.end())) {
        (Some(error), _) => Err(error),
        (None, Err(_)) => Err(CountError::Malformed),
        (None, Ok(())) => Ok(walk.count),
    }
}

struct JsonWalk {
    count: Count,
    exceeded: Option<CountError>,
}

impl JsonWalk {
    fn check<E: serde::de::Error>(&mut self, counted: Result<(), CountError>) -> Result<(), E> {
        counted.map_err(|error| {
            self.exceeded = Some(error);
            E::custom("a limit is exceeded")
        })
    }
}

/// Visits a value of any kind. `is_spans` is true for the member with the spans or log records.
struct Any<'w> {
    walk: &'w mut JsonWalk,
    is_spans: bool,
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Any { walk: &mut *self.walk, is_spans: false })?.is_some() {
            let counted = if self.is_spans { self.walk.count.span() } else { self.walk.count.part() };
            self.walk.check(counted)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut own = 0;
        while let Some(is_spans) = members.next_key_seed(IsSpans)? {
            own += 1;
            let counted =
                if own > MEMBERS_PER_OBJECT { Err(CountError::TooManyParts) } else { self.walk.count.member() };
            self.walk.check::<A::Error>(counted)?;
            members.next_value_seed(Any { walk: &mut *self.walk, is_spans })?;
        }
        Ok(())
    }
}

/// Reads a member's name. Returns whether it is that of the spans or log records.
struct IsSpans;

impl<'de> DeserializeSeed<'de> for IsSpans {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsSpans {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(matches!(name, "spans" | "logRecords" | "log_records"))
    }
}
