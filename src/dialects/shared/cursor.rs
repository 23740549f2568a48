//! Where a page of a list ends, as a text that the caller hands back: milliseconds since 1970, a point, and the id.

use chrono::{DateTime, Datelike};
use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::ids::parse_hyphenated_uuid;

pub(in crate::dialects) fn write((at, id): (Timestamp, Uuid)) -> String {
    format!("{}.{id}", at.timestamp_millis())
}

/// The inverse of [`write()`]; `None` for every text that it does not write.
pub(in crate::dialects) fn read(text: &str) -> Option<(Timestamp, Uuid)> {
    let (at, id) = text.split_once('.')?;
    let at = at.parse().ok().and_then(DateTime::from_timestamp_millis)?;
    // Postgres' time ends before chrono's; a cursor of ours is from our time.
    let ours = at.timestamp_millis() >= 0 && at.year() < 10_000;
    let place = (at, parse_hyphenated_uuid(id)?);
    (ours && write(place) == text).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back(milliseconds in 0i64..253_402_300_800_000, bits: u128) {
            let place = (DateTime::from_timestamp_millis(milliseconds).unwrap(), Uuid::from_u128(bits));
            prop_assert_eq!(read(&write(place)), Some(place));
        }

        #[test]
        fn every_cursor_has_one_spelling(text in r"[-+0-9]{0,16}\.?[0-9a-fA-F-]{0,36}|.{0,60}") {
            if let Some(place) = read(&text) {
                prop_assert_eq!(write(place), text);
            }
        }
    }

    #[test]
    fn what_no_list_wrote_is_none() {
        let id = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
        for text in
            ["", ".", "1", "0.x", &format!("-1.{id}"), &format!("9{}.{id}", "9".repeat(17)), &format!("1e3.{id}")]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
