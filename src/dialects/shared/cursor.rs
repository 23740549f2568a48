//! The cursor of a list: the end of a page, as a text that the client sends back. It is the milliseconds since 1970, a
//! point, and the id.

use chrono::{DateTime, Datelike};
use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::ids::parse_hyphenated_uuid;

/// Writes a cursor.
pub(in crate::dialects) fn write((at, id): (Timestamp, Uuid)) -> String {
    format!("{}.{id}", at.timestamp_millis())
}

/// Reads a cursor. Returns `None` for every text that [`write()`] does not write.
pub(in crate::dialects) fn read(text: &str) -> Option<(Timestamp, Uuid)> {
    let (at, id) = text.split_once('.')?;
    let at = at.parse().ok().and_then(DateTime::from_timestamp_millis)?;
    // Postgres has a smaller range of times than chrono. The service only writes times between 1970 and 9999.
    let is_in_range = at.timestamp_millis() >= 0 && at.year() < 10_000;
    let cursor = (at, parse_hyphenated_uuid(id)?);
    (is_in_range && write(cursor) == text).then_some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back(milliseconds in 0i64..253_402_300_800_000, bits: u128) {
            let cursor = (DateTime::from_timestamp_millis(milliseconds).unwrap(), Uuid::from_u128(bits));
            prop_assert_eq!(read(&write(cursor)), Some(cursor));
        }

        #[test]
        fn every_cursor_has_one_spelling(text in r"[-+0-9]{0,16}\.?[0-9a-fA-F-]{0,36}|.{0,60}") {
            if let Some(cursor) = read(&text) {
                prop_assert_eq!(write(cursor), text);
            }
        }
    }

    #[test]
    fn texts_that_are_no_cursors_are_none() {
        let id = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
        for text in
            ["", ".", "1", "0.x", &format!("-1.{id}"), &format!("9{}.{id}", "9".repeat(17)), &format!("1e3.{id}")]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
