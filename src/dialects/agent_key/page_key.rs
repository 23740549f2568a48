//! Page keys: the cursor of the next page of a list, sealed to that list (docs/dialects/agent-key.md).
//!
//! A page key contains only a cursor, and every page is read within the caller's organization. Therefore a forged key
//! cannot show rows that the caller may not list. The seal distinguishes the keys of this list from those of other
//! lists and organizations, so that such a key is rejected instead of skipping rows.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::AgentKeyError;
use super::patch::invalid;
use crate::domain::{OrgId, Timestamp};

/// A list that is read in pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub name: &'static str,
    pub org: OrgId,
    /// The id of the agent or the session that the list belongs to; nil for the list of agents.
    pub owner: Uuid,
}

/// The time and the id of the last row of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageCursor {
    pub at: Timestamp,
    pub id: Uuid,
}

/// What names the last row of a page of some list.
pub(super) trait PageEnd: Copy {
    fn at(self) -> Timestamp;
    fn id_bytes(self) -> [u8; 16];
    /// Returns `None` if the bytes are no id of this kind.
    fn of(at: Timestamp, id: [u8; 16]) -> Option<Self>;
}

impl PageEnd for PageCursor {
    fn at(self) -> Timestamp {
        self.at
    }

    fn id_bytes(self) -> [u8; 16] {
        self.id.into_bytes()
    }

    fn of(at: Timestamp, id: [u8; 16]) -> Option<Self> {
        Some(Self { at, id: Uuid::from_bytes(id) })
    }
}

/// The last event on a page of a session's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventCursor {
    pub at: Timestamp,
    pub number: i64,
}

impl PageEnd for EventCursor {
    fn at(self) -> Timestamp {
        self.at
    }

    fn id_bytes(self) -> [u8; 16] {
        i128::from(self.number).to_be_bytes()
    }

    fn of(at: Timestamp, id: [u8; 16]) -> Option<Self> {
        let number = i64::try_from(i128::from_be_bytes(id)).ok().filter(|number| *number >= 0)?;
        Some(Self { at, number })
    }
}

const SEAL: usize = 16;

impl List {
    fn seal(&self, cursor: &[u8]) -> [u8; SEAL] {
        let whole: [u8; 32] = Sha256::new()
            .chain_update("agent_key page 1\0")
            .chain_update(self.name)
            .chain_update(b"\0")
            .chain_update(self.org.0)
            .chain_update(self.owner)
            .chain_update(cursor)
            .finalize()
            .into();
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&whole[..SEAL]);
        seal
    }

    /// Returns the key of the page after `cursor`: 80 hexadecimal digits.
    pub(super) fn page_key(&self, last: impl PageEnd) -> String {
        let mut bytes = last.at().timestamp_millis().to_be_bytes().to_vec();
        bytes.extend_from_slice(&last.id_bytes());
        let seal = self.seal(&bytes);
        bytes.extend_from_slice(&seal);
        hex::encode(bytes)
    }

    /// Returns the cursor after which the page of this key begins.
    ///
    /// # Errors
    /// [`AgentKeyError::InvalidField`] (400) if the text is not a page key, or belongs to another list.
    pub(super) fn cursor<C: PageEnd>(&self, page_key: &str) -> Result<C, AgentKeyError> {
        self.open(page_key).ok_or_else(|| invalid("page_key", "is no page key of this list"))
    }

    fn open<C: PageEnd>(&self, page_key: &str) -> Option<C> {
        // A page has one key, in lower case.
        if page_key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut bytes = [0; 40];
        hex::decode_to_slice(page_key, &mut bytes).ok()?;
        let (cursor, seal) = bytes.split_at(24);
        if self.seal(cursor) != seal {
            return None;
        }
        let at = i64::from_be_bytes(cursor.get(..8)?.try_into().ok()?);
        C::of(Timestamp::from_timestamp_millis(at)?, cursor.get(8..)?.try_into().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(name: &'static str, org: u128, owner: u128) -> List {
        List { name, org: OrgId(Uuid::from_u128(org)), owner: Uuid::from_u128(owner) }
    }

    proptest! {
        #[test]
        fn a_page_key_is_valid_for_its_own_list_only(ms in 0i64..1 << 45, id: u128, org: u128, owner: u128, digit in 0usize..80) {
            let cursor = PageCursor { at: Timestamp::from_timestamp_millis(ms).unwrap(), id: Uuid::from_u128(id) };
            let own = list("sessions", org, owner);
            let key = own.page_key(cursor);
            prop_assert_eq!(own.open(&key), Some(cursor));
            for other in [list("events", org, owner), list("sessions", !org, owner), list("sessions", org, !owner)] {
                prop_assert_eq!(other.open::<PageCursor>(&key), None);
            }
            prop_assert_eq!(own.open::<PageCursor>(&key[..digit]), None);
            let mut forged = key.into_bytes();
            forged[digit] = if forged[digit] == b'0' { b'1' } else { b'0' };
            prop_assert_eq!(own.open::<PageCursor>(&String::from_utf8(forged).unwrap()), None);
        }

        #[test]
        fn an_event_is_found_again(ms in 0i64..1 << 45, number in 0..=i64::MAX) {
            let last = EventCursor { at: Timestamp::from_timestamp_millis(ms).unwrap(), number };
            let events = list("events", 1, 2);
            prop_assert_eq!(events.open(&events.page_key(last)), Some(last));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,100}") {
            prop_assert_eq!(list("sessions", 1, 2).open::<PageCursor>(&text), None);
        }
    }
}
