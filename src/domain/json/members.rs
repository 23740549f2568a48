//! Reads and writes an object's members one by one, because an object of small members takes many times its text's size
//! in memory when it is built.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Calls `each` with the name and the value of each member, in their order. A duplicate name is reported twice.
///
/// # Errors
/// When `object` is not a JSON object.
pub fn each_member<'t>(object: &'t str, each: impl FnMut(&str, &'t str)) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(Members(each))?;
    deserializer.end()
}

struct Members<F>(F);

impl<'t, F: FnMut(&str, &'t str)> Visitor<'t> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some((name, value)) = members.next_entry::<String, &'t RawValue>()? {
            (self.0)(&name, value.get());
        }
        Ok(())
    }
}

/// Writes an object member by member.
#[derive(Debug)]
pub struct ObjectWriter(Vec<u8>);

impl ObjectWriter {
    /// Returns a writer with room for this many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let mut written = Vec::with_capacity(bytes);
        written.push(b'{');
        Self(written)
    }

    /// Adds a member with a JSON value.
    pub fn member(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        // Writing a string into memory never fails.
        let _ = serde_json::to_writer(&mut self.0, name);
        self.0.push(b':');
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Returns the object's text.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.0.push(b'}');
        String::from_utf8(self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(object: &str) -> Option<String> {
        let mut writer = ObjectWriter::with_capacity(0);
        each_member(object, |name, value| writer.member(name, value)).ok()?;
        Some(writer.finish())
    }

    #[test]
    fn members_come_as_they_are() {
        for (object, expected) in [
            ("{}", Some("{}")),
            (r#" {"a" : [1, 2] , "b":"x" ,"a":{}} "#, Some(r#"{"a":[1, 2],"b":"x","a":{}}"#)),
            (r#"{"\u0061\n":1}"#, Some(r#"{"a\n":1}"#)),
            ("[]", None),
            ("{", None),
            (r#"{"a"}"#, None),
            (r#"{"a":1} x"#, None),
        ] {
            assert_eq!(through(object).as_deref(), expected, "{object}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_was_read(members in prop::collection::vec(("(?s).{0,6}", any::<i32>()), 0..6)) {
            let mut writer = ObjectWriter::with_capacity(8);
            members.iter().for_each(|(name, value)| writer.member(name, &value.to_string()));
            let mut read = Vec::new();
            each_member(&writer.finish(), |name, value| read.push((name.to_owned(), value.parse().unwrap()))).unwrap();
            prop_assert_eq!(read, members);
        }
    }
}
