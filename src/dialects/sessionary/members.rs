//! Reads the members of a body one by one, and collects what is wrong with them.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::DateTime;
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::problem::{Fault, SessionaryError};
use crate::domain::{JsonField, JsonText, Patch, Timestamp};

/// Faults that a response lists.
const MAX_FAULTS: usize = 10;
/// Characters of a name that the client chose, in a pointer.
const MAX_POINTER: usize = 100;

/// The members of a JSON object. A repeated member is an error of its own.
#[derive(Debug, Default)]
pub struct Members {
    members: IndexMap<String, JsonField>,
    /// The pointer of the object within the body; empty for the body itself.
    parent: String,
    faults: Vec<Fault>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = IndexMap::new();
                while let Some((name, value)) = map.next_entry::<String, JsonField>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member comes twice"));
                    }
                }
                Ok(Members { members, ..Members::default() })
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl Members {
    /// Returns the members of an object within the body, at this pointer. A text that is no object has none.
    pub(super) fn within(json: &JsonText, pointer: String) -> Self {
        let read: Result<Self, _> = json.read();
        match read {
            Ok(members) => Self { parent: pointer, ..members },
            Err(_) => {
                let mut none = Self { parent: pointer, ..Self::default() };
                none.faults.push(Fault::member(none.parent.clone(), "must be an object without repeated members"));
                none
            }
        }
    }

    /// Removes a member and returns it.
    pub(super) fn take(&mut self, name: &str) -> JsonField {
        self.members.shift_remove(name).unwrap_or_default()
    }

    /// Returns the pointer of a member.
    pub(super) fn pointer(&self, name: &str) -> String {
        let name: String = name.chars().take(MAX_POINTER).collect();
        format!("{}/{}", self.parent, name.replace('~', "~0").replace('/', "~1"))
    }

    /// Notes what is wrong with a member.
    pub(super) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        let pointer = self.pointer(name);
        self.add(Fault::member(pointer, detail));
    }

    fn add(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    /// Returns a member that `read` accepts. `expected` describes valid values: "must be …".
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&JsonField) -> Option<T>,
    ) -> Patch<T> {
        match self.take(name) {
            JsonField::Absent => Patch::Keep,
            JsonField::Null => Patch::Clear,
            given => match read(&given) {
                Some(value) => Patch::Set(value),
                None => {
                    self.fault(name, format!("must be {expected}"));
                    Patch::Keep
                }
            },
        }
    }

    /// Returns a text whose number of characters is within `length`.
    pub(super) fn text(&mut self, name: &str, length: RangeInclusive<usize>) -> Patch<String> {
        let expected = match length.start() {
            0 => format!("a string of at most {} characters", length.end()),
            least => format!("a string of {least} to {} characters", length.end()),
        };
        let fits = |text: &&str| length.contains(&text.chars().count());
        self.read(name, &expected, |given| given.as_str().filter(fits).map(str::to_owned))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Patch<bool> {
        let read = |given: &JsonField| if let JsonField::Bool(value) = given { Some(*value) } else { None };
        self.read(name, "true or false", read)
    }

    /// Returns an integer within `range`.
    pub(super) fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Patch<i64> {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.read(name, &expected, |given| given.as_i64().filter(|number| range.contains(number)))
    }

    /// Returns a time, in whole milliseconds.
    pub(super) fn time(&mut self, name: &str) -> Patch<Timestamp> {
        self.read(name, "a time such as 2026-04-29T09:00:00.000Z", |given| {
            let time = given.as_str()?.parse::<Timestamp>().ok()?;
            DateTime::from_timestamp_millis(time.timestamp_millis())
        })
    }

    /// Returns a list of at most `limit` texts.
    pub(super) fn texts(&mut self, name: &str, limit: usize) -> Patch<Vec<String>> {
        self.read(name, &format!("an array of at most {limit} strings"), |given| match given {
            JsonField::Array(json) => json.read::<Vec<String>>().ok().filter(|texts| texts.len() <= limit),
            _ => None,
        })
    }

    /// Returns the value of a member that must be there. Without it, the fault is noted.
    pub(super) fn required<T>(&mut self, name: &str, value: Patch<T>) -> Option<T> {
        let is_missing = !matches!(value, Patch::Set(_));
        let pointer = self.pointer(name);
        if is_missing && !self.faults.iter().any(|fault| fault.is_at(&pointer)) {
            self.fault(name, "is required");
        }
        value.set()
    }

    /// Returns the new value of a member that cannot be null.
    pub(super) fn not_null<T>(&mut self, name: &str, value: Patch<T>) -> Option<T> {
        if matches!(value, Patch::Clear) {
            self.fault(name, "must not be null");
        }
        value.set()
    }

    /// Returns whether every member was read and is valid.
    pub(super) fn is_sound(&self) -> bool {
        self.members.is_empty() && self.faults.is_empty()
    }

    /// Adds the faults of an object within this one.
    pub(super) fn join(&mut self, mut inner: Self) {
        inner.note_unknown();
        for fault in inner.faults {
            self.add(fault);
        }
    }

    fn note_unknown(&mut self) {
        let unknown: Vec<String> = self.members.keys().take(MAX_FAULTS).cloned().collect();
        for name in unknown {
            self.fault(&name, "is not a member of this object");
        }
    }

    /// Ends the reading. Members that were not read are unknown.
    ///
    /// # Errors
    /// [`SessionaryError::InvalidBody`] with everything that is wrong.
    pub(super) fn finish(mut self) -> Result<(), SessionaryError> {
        self.note_unknown();
        if self.faults.is_empty() { Ok(()) } else { Err(SessionaryError::InvalidBody(self.faults)) }
    }
}

/// Returns the error of one member.
pub(super) fn invalid(pointer: &str, detail: impl Into<String>) -> SessionaryError {
    SessionaryError::InvalidBody(vec![Fault::member(pointer, detail)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(body: &str) -> Members {
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn every_fault_is_listed() {
        let mut body = members(r#"{"name":"","count":1.5,"at":"soon","on":1,"a/b~":2}"#);
        assert_eq!(body.text("name", 1..=3), Patch::Keep);
        assert_eq!(body.integer("count", 1..=3), Patch::Keep);
        assert_eq!(body.time("at"), Patch::Keep);
        let on = body.boolean("on");
        assert_eq!(body.not_null("on", on), None);
        let name = body.text("name", 1..=3);
        assert_eq!(body.required("name", name), None);
        let SessionaryError::InvalidBody(faults) = body.finish().unwrap_err() else { panic!("another error") };
        let json = serde_json::to_value(faults).unwrap();
        let pointers: Vec<&str> = json.as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap()).collect();
        assert_eq!(pointers, ["/name", "/count", "/at", "/on", "/a~1b~0"]);
    }

    #[test]
    fn null_absent_and_a_value_differ() {
        let mut body = members(r#"{"a":null,"b":"x","c":["y"],"d":2.0}"#);
        assert_eq!(body.text("a", 0..=1), Patch::Clear);
        assert_eq!(body.text("b", 0..=1), Patch::Set("x".to_owned()));
        assert_eq!(body.texts("c", 1), Patch::Set(vec!["y".to_owned()]));
        assert_eq!(body.integer("d", 0..=2), Patch::Set(2));
        assert_eq!(body.text("e", 0..=1), Patch::Keep);
        assert!(body.finish().is_ok());
        assert!(serde_json::from_str::<Members>(r#"{"a":1,"a":1}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_member_breaks_the_reader(name in ".{0,200}", value in "[1-9][0-9]{0,39}|\"[a-z]{0,9}\"|null|true|\\[\\]|\\{\\}") {
            let body = format!("{{{}:{value}}}", serde_json::to_string(&name).unwrap());
            let mut body = members(&body);
            let _ = (body.integer("count", 0..=9), body.text("name", 1..=2), body.texts("list", 1));
            let _ = body.finish();
        }
    }
}
