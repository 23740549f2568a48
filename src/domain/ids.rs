//! Ids as types. A string or an integer never stands for one beyond the wire.
//!
//! A session's primary key is a UUID in every dialect, and each dialect's public id is a pure function of that UUID
//! or leads to it, so that the primary key alone finds a session and keeps it from being made twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::crockford;

/// Reads a UUID written as 8-4-4-4-12 hexadecimal digits, in either case and of any version.
///
/// Braces, `urn:uuid:` and the form without hyphens are no UUIDs on any of the five wires.
#[must_use]
pub fn parse_hyphenated_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
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
    };
}

uuid_id!(
    /// An organization: the tenant.
    OrgId
);
uuid_id!(
    /// An agent, under the name that never changes and is never given to another.
    AgentId
);
uuid_id!(
    /// A session's primary key within its organization and dialect.
    SessionId
);
uuid_id!(
    /// An event's id within its session.
    EventId
);
uuid_id!(
    /// An API key's public id; the key itself is a secret.
    KeyId
);
uuid_id!(
    /// An image that was uploaded for an avatar; random, so that nobody guesses it.
    ImageId
);
uuid_id!(
    /// An endpoint that an organization registered.
    WebhookId
);

/// What one endpoint is told once, however often that is tried: `msg_` and the UUID in 26 characters of lower-case
/// Crockford base 32, as Svix's message ids begin.
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

/// What a text would have had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {0}")]
pub struct InvalidId(pub &'static str);

/// `[0-9a-zA-Z_-]`, 1 to 50 of them (Vectara, *Resource addressing*).
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
    /// An agent's key, unique among the living agents of its organization.
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
            /// `None` for anything outside 1..=2^53, the integers that every JSON reader keeps exact.
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

            /// Plain decimal digits without a leading zero: each number has one spelling.
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

/// 2^53: the last integer that JavaScript counts without a gap.
pub const MAX_NUMBER: i64 = 1 << 53;

number_id!(
    /// An agent's integer id within its organization.
    AgentNumber
);
number_id!(
    /// A session's integer id within its organization.
    SessionNumber
);

/// Namespace of the UUIDv5 that stands for an Agnost session id which is no UUID.
const AGNOST_TEXTS: Uuid = Uuid::from_u128(0x8d1d_5a34_2f0f_4d0c_9d4a_6a1b_7c7e_5a01);

/// What a browser gets an image by, since it shows no credential: whose it is and its id, in 52 characters of lower-case
/// Crockford base 32.
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

    /// The inverse of `Display`; every other spelling is nobody's.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (org, image) = text.split_at_checked(crockford::DIGITS)?;
            Some(Self { org: OrgId(crockford::read(org)?), image: ImageId(crockford::read(image)?) })
        };
        read().ok_or(InvalidId("52 characters of Crockford base 32"))
    }
}

impl KeyId {
    /// `key_` and 26 characters, as [`SessionId::to_agntix`].
    #[must_use]
    pub fn to_agntix(self) -> String {
        crockford::spell("key_", self.0)
    }

    /// The inverse of [`KeyId::to_agntix`]; every other spelling is nobody's id.
    #[must_use]
    pub fn from_agntix(text: &str) -> Option<Self> {
        text.strip_prefix("key_").and_then(crockford::read).map(Self)
    }
}

impl EventId {
    /// A message's id as Agntix writes it: `msg_` and 26 characters, as [`SessionId::to_agntix`].
    #[must_use]
    pub fn to_agntix(self) -> String {
        crockford::spell("msg_", self.0)
    }
}

impl SessionId {
    /// An Agnost session id: a UUID stands for itself whatever its case, any other text for its UUIDv5.
    #[must_use]
    pub fn from_agnost(text: &str) -> Self {
        Self(parse_hyphenated_uuid(text).unwrap_or_else(|| Uuid::new_v5(&AGNOST_TEXTS, text.as_bytes())))
    }

    /// A session key under its agent: the UUIDv5 of the key in the agent's own namespace, so that an agent that takes
    /// over a freed agent key never finds its predecessor's sessions.
    #[must_use]
    pub fn from_key(agent: AgentId, key: &SessionKey) -> Self {
        Self(Uuid::new_v5(&agent.0, key.as_str().as_bytes()))
    }

    /// The same key again, once its session is over: each generation, counted from 1, is a session of its own, and the
    /// one before keeps its conversation. No key has a slash.
    #[must_use]
    pub fn from_key_again(agent: AgentId, key: &SessionKey, generation: u32) -> Self {
        Self(Uuid::new_v5(&agent.0, format!("{key}/{generation}").as_bytes()))
    }

    /// An integer id, laid open in a UUIDv8. Consecutive numbers stay neighbours in the index, where a hash would
    /// scatter them.
    #[must_use]
    pub fn from_number(number: SessionNumber) -> Self {
        let number = number.get().unsigned_abs();
        // The version's four bits stand between the upper 48 and the next 12.
        let upper_half = (number >> 12) << 16 | number & 0xfff;
        Self(uuid::Builder::from_custom_bytes((u128::from(upper_half) << 64).to_be_bytes()).into_uuid())
    }

    /// `ses_` and the UUID in 26 characters of lower-case Crockford base 32, as Agntix writes its ids.
    #[must_use]
    pub fn to_agntix(self) -> String {
        crockford::spell("ses_", self.0)
    }

    /// The inverse of [`SessionId::to_agntix`]; every other spelling is nobody's id.
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
