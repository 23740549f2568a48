//! Where a page of a list ends, as a text that the caller hands back.

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::domain::calendar::moment_at;
use crate::domain::ids::parse_hyphenated_uuid;

/// What names the last row of a page. Every cursor has one spelling.
pub(in crate::dialects) trait Cursor: Copy {
    fn text(self) -> String;

    /// Returns the cursor that a text spells, perhaps not in its one spelling.
    fn parse(text: &str) -> Option<Self>;
}

/// Milliseconds since 1970, a point, and the row's id.
impl Cursor for (Timestamp, Uuid) {
    fn text(self) -> String {
        let (at, id) = self;
        format!("{}.{id}", at.timestamp_millis())
    }

    fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        Some((moment_at(at.parse().ok()?)?, parse_hyphenated_uuid(id)?))
    }
}

/// The number of an event in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialects) struct EventNumber(pub i64);

/// The last number that leaves room for every page behind it.
const LAST_NUMBER: i64 = i64::MAX / 4;

/// Decimal digits.
impl Cursor for EventNumber {
    fn text(self) -> String {
        self.0.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| (0..=LAST_NUMBER).contains(number)).map(Self)
    }
}

pub(in crate::dialects) fn write(cursor: impl Cursor) -> String {
    cursor.text()
}

/// The inverse of [`write()`]. Returns `None` for every text that it does not write.
pub(in crate::dialects) fn read<C: Cursor>(text: &str) -> Option<C> {
    C::parse(text).filter(|cursor| cursor.text() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::LAST_MILLISECOND;
    use proptest::prelude::*;

    type ById = (Timestamp, Uuid);

    proptest! {
        #[test]
        fn a_cursor_leads_back(milliseconds in 0i64..=LAST_MILLISECOND, bits: u128, number in 0..=LAST_NUMBER) {
            let by_id = (moment_at(milliseconds).unwrap(), Uuid::from_u128(bits));
            prop_assert_eq!(read(&write(by_id)), Some(by_id));
            prop_assert_eq!(read(&write(EventNumber(number))), Some(EventNumber(number)));
        }

        #[test]
        fn every_cursor_has_one_spelling(text in r"[-+0-9]{0,16}\.?[0-9a-fA-F-]{0,36}|[-+0-9]{0,20}|.{0,60}") {
            if let Some(cursor) = read::<ById>(&text) {
                prop_assert_eq!(write(cursor), text.clone());
            }
            if let Some(cursor) = read::<EventNumber>(&text) {
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
            assert_eq!(read::<ById>(text), None, "{text}");
        }
        for text in ["", "-1", "+1", "01", "1.0", "x", "9223372036854775807", "99999999999999999999"] {
            assert_eq!(read::<EventNumber>(text), None, "{text}");
        }
    }
}
