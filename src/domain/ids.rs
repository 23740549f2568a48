//! Typed ids. Strings and integers are used for ids only on the wire.
//!
//! A session's primary key is a UUID in every dialect, and each dialect's public id is a pure function of that UUID or
//! leads to it. So the primary key is enough to find a session and to prevent duplicates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crockford;

/// Parses a UUID of 8-4-4-4-12 hexadecimal digits, in either case and of any version.
///
/// Braces, `urn:uuid:` and the form without hyphens are not accepted in any of the five dialects.
#[must_use]
pub fn parse_hyphenated_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_hyphenated_uuid(text).map(Self).ok_or(InvalidId("a UUID of 8-4-4-4-12 hexadecimal digits"))
            }
        }
    )+};
}

uuid_ids! {
    /// An organization: the tenant.
    OrgId;
    /// An agent's id, which never changes and is never reused.
    AgentId;
    /// A session's primary key within its organization and dialect.
    SessionId;
    /// An event's id within its session.
    EventId;
    /// A request to erase data, and its receipt.
    ErasureId;
    /// An API key's public id; the key itself is a secret.
    KeyId;
    /// An image that was uploaded for an avatar. The id is random, so that it cannot be guessed.
    ImageId;
    /// A webhook endpoint that an organization registered.
    WebhookId;
}

/// A delivery to one endpoint, the same for all of its attempts: `msg_` and the UUID in 26 characters of lower-case
/// Crockford base 32, with the prefix of Svix's message ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub Uuid);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crockford::spell("msg_", self.0))
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("msg_")
            .and_then(crockford::read)
            .map(Self)
            .ok_or(InvalidId("msg_ and 26 characters, as deliveries are listed"))
    }
}

/// The error for an invalid id, with a description of what is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidId(pub &'static str);

/// Returns whether a text is 1 to 50 characters of `[0-9a-zA-Z_-]` (Vectara, *Resource addressing*).
fn is_key(text: &str) -> bool {
    (1..=50).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

macro_rules! key_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if is_key(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId("1 to 50 characters of 0-9, a-z, A-Z, _ and -"))
                }
            }
        }
    };
}

key_id!(
    /// An agent's key, unique among the agents of its organization that are not deleted.
    AgentKey
);
key_id!(
    /// A session's key, unique under its agent.
    SessionKey
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Returns `None` for numbers outside 1..=2^53, the integers that every JSON reader represents exactly.
            #[must_use]
            pub fn new(number: i64) -> Option<Self> {
                (1..=MAX_NUMBER).contains(&number).then_some(Self(number))
            }

            #[must_use]
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Parses decimal digits without a leading zero, so that each number has one spelling.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
                plain
                    .then(|| text.parse().ok())
                    .flatten()
                    .and_then(Self::new)
                    .ok_or(InvalidId("an integer from 1 to 2^53"))
            }
        }
    };
}

/// 2^53: the last integer up to which JavaScript represents every integer exactly.
pub const MAX_NUMBER: i64 = 1 << 53;

number_id!(
    /// An agent's integer id within its organization.
    AgentNumber
);
number_id!(
    /// A session's integer id within its organization.
    SessionNumber
);

/// Namespace of the UUIDv5 for an Agnost session id that is not a UUID.
const AGNOST_TEXTS: Uuid = Uuid::from_u128(0x8d1d_5a34_2f0f_4d0c_9d4a_6a1b_7c7e_5a01);

/// The address of an image for browsers, which send no credential: the organization and the image id, in 52 characters
/// of lower-case Crockford base 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageAddress {
    pub org: OrgId,
    pub image: ImageId,
}

impl fmt::Display for ImageAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crockford::spell(&crockford::spell("", self.org.0), self.image.0))
    }
}

impl FromStr for ImageAddress {
    type Err = InvalidId;

    /// Parses the text that `Display` writes. No other spelling is valid.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (org, image) = text.split_at_checked(crockford::DIGITS)?;
            Some(Self { org: OrgId(crockford::read(org)?), image: ImageId(crockford::read(image)?) })
        };
        read().ok_or(InvalidId("52 characters of Crockford base 32"))
    }
}

impl KeyId {
    /// Returns `key_` and 26 characters, like [`SessionId::to_agntix`].
    #[must_use]
    pub fn to_agntix(self) -> String {
        crockford::spell("key_", self.0)
    }

    /// Parses the text of [`KeyId::to_agntix`]. No other spelling is valid.
    #[must_use]
    pub fn from_agntix(text: &str) -> Option<Self> {
        text.strip_prefix("key_").and_then(crockford::read).map(Self)
    }
}

impl EventId {
    /// Returns a message's id in the Agntix dialect: `msg_` and 26 characters, like [`SessionId::to_agntix`].
    #[must_use]
    pub fn to_agntix(self) -> String {
        crockford::spell("msg_", self.0)
    }
}

impl SessionId {
    /// Returns the id for an Agnost session id: a UUID is used as it is, whatever its case, and any other text becomes
    /// its UUIDv5.
    #[must_use]
    pub fn from_agnost(text: &str) -> Self {
        Self(parse_hyphenated_uuid(text).unwrap_or_else(|| Uuid::new_v5(&AGNOST_TEXTS, text.as_bytes())))
    }

    /// Returns the id for a session key of an agent: the UUIDv5 of the key in the agent's own namespace, so that an
    /// agent with a reused agent key never finds the sessions of the previous one.
    #[must_use]
    pub fn from_key(agent: AgentId, key: &SessionKey) -> Self {
        Self(Uuid::new_v5(&agent.0, key.as_str().as_bytes()))
    }

    /// Returns the id for a session key that is reused after its session has ended. Each generation, counted from 1, is
    /// a separate session, so the previous one keeps its conversation. No key contains a slash.
    #[must_use]
    pub fn from_key_again(agent: AgentId, key: &SessionKey, generation: u32) -> Self {
        Self(Uuid::new_v5(&agent.0, format!("{key}/{generation}").as_bytes()))
    }

    /// Returns the id for an integer id, which is embedded in a UUIDv8. Consecutive numbers stay neighbours in the
    /// index, where a hash would scatter them.
    #[must_use]
    pub fn from_number(number: SessionNumber) -> Self {
        let number = number.get().unsigned_abs();
        // The version's four bits are between the upper 48 bits and the next 12.
        let upper_half = (number >> 12) << 16 | number & 0xfff;
        Self(uuid::Builder::from_custom_bytes((u128::from(upper_half) << 64).to_be_bytes()).into_uuid())
    }

    /// Returns the id in the Agntix dialect: `ses_` and the UUID in 26 characters of lower-case Crockford base 32.
    #[must_use]
    pub fn to_agntix(self) -> String {
        crockford::spell("ses_", self.0)
    }

    /// Parses the text of [`SessionId::to_agntix`]. No other spelling is valid.
    #[must_use]
    pub fn from_agntix(text: &str) -> Option<Self> {
        text.strip_prefix("ses_").and_then(crockford::read).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_hyphenated_uuids_count() {
        let uuid = "a1b2c3d4-e5f6-7890-abcd-ef1234567890";
        assert!(parse_hyphenated_uuid(uuid).is_some());
        assert_eq!(parse_hyphenated_uuid(&uuid.to_uppercase()), parse_hyphenated_uuid(uuid));
        for other in [
            "a1b2c3d4e5f67890abcdef1234567890",
            "{a1b2c3d4-e5f6-7890-abcd-ef1234567890}",
            "urn:uuid:a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "a1b2c3d4-e5f6-7890-abcd-ef123456789",
            "a1b2c3d4-e5f67890-abcd--ef1234567890",
            "",
        ] {
            assert_eq!(parse_hyphenated_uuid(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn agntix_ids_lead_back(bits: u128) {
            let id = SessionId(Uuid::from_u128(bits));
            let text = id.to_agntix();
            prop_assert_eq!(text.len(), 30);
            prop_assert_eq!(SessionId::from_agntix(&text), Some(id));
            prop_assert_eq!(KeyId::from_agntix(&text), None);
            prop_assert_eq!(KeyId::from_agntix(&KeyId(id.0).to_agntix()), Some(KeyId(id.0)));
            let delivery = DeliveryId(id.0);
            prop_assert_eq!(delivery.to_string().parse(), Ok(delivery));
            prop_assert!(text.parse::<DeliveryId>().is_err());
        }

        #[test]
        fn agntix_ids_keep_the_order_of_their_uuids(a: u128, b: u128) {
            let (x, y) = (SessionId(Uuid::from_u128(a)), SessionId(Uuid::from_u128(b)));
            prop_assert_eq!(x.cmp(&y), x.to_agntix().cmp(&y.to_agntix()));
        }

        #[test]
        fn any_text_is_either_an_agntix_id_in_its_one_spelling_or_none(text in "(ses_)?[0-9a-zA-Z]{20,30}") {
            if let Some(id) = SessionId::from_agntix(&text) {
                prop_assert_eq!(id.to_agntix(), text);
            }
        }

        #[test]
        fn addresses_of_images_lead_back(org: u128, image: u128) {
            let address = ImageAddress { org: OrgId(Uuid::from_u128(org)), image: ImageId(Uuid::from_u128(image)) };
            prop_assert_eq!(address.to_string().len(), 52);
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn any_text_is_either_an_address_in_its_one_spelling_or_none(text in "[0-9a-zA-Z]{50,53}|.{0,52}") {
            if let Ok(address) = text.parse::<ImageAddress>() {
                prop_assert_eq!(address.to_string(), text);
            }
        }

        #[test]
        fn numbers_have_ids_of_their_own(a in 1..=MAX_NUMBER, b in 1..=MAX_NUMBER) {
            let id = |n| SessionId::from_number(SessionNumber::new(n).unwrap());
            prop_assert_eq!(id(a) == id(b), a == b);
            prop_assert_eq!(id(a).cmp(&id(b)), a.cmp(&b));
            prop_assert_eq!(id(a).0.get_version_num(), 8);
        }

        #[test]
        fn numbers_have_one_spelling(text in "[0-9]{1,20}|-?[0-9]+|[0-9]e[0-9]|\\+[0-9]") {
            if let Ok(number) = text.parse::<SessionNumber>() {
                prop_assert_eq!(number.to_string(), text);
            }
        }

        #[test]
        fn agnost_texts_are_stable_and_apart(a in ".{1,40}", b in ".{1,40}") {
            prop_assert_eq!(SessionId::from_agnost(&a) == SessionId::from_agnost(&b), a == b);
        }
    }

    #[test]
    fn numbers_end_at_two_to_the_53() {
        for bad in ["0", "-1", "9007199254740993", "1e3", "007", "", "1.0", "99999999999999999999", "１"] {
            assert!(bad.parse::<AgentNumber>().is_err(), "{bad}");
        }
        assert_eq!("9007199254740992".parse::<AgentNumber>().unwrap().get(), MAX_NUMBER);
    }

    #[test]
    fn keys_have_fifty_characters_at_most() {
        assert!("a".repeat(50).parse::<SessionKey>().is_ok());
        for bad in ["", "a b", "ä", "a/b", "a.b", &"a".repeat(51)] {
            assert!(bad.parse::<SessionKey>().is_err(), "{bad}");
        }
    }
}
