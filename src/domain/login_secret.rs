//! The secret of a console login or of a one-time link: the id of its organization, and 32 random bytes, in hexadecimal
//! digits. Only its SHA-256 is stored.

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::{KeyHash, Mint, OrgId};

const ORG_LENGTH: usize = 32;
const RANDOM_BYTES: usize = 32;

/// A well-formed secret. It may never have been issued.
pub struct LoginSecret {
    org: OrgId,
    text: SecretString,
}

impl LoginSecret {
    /// Generates a secret of an organization.
    #[must_use]
    pub fn generate(org: OrgId, mint: &Mint) -> Self {
        let text = format!("{}{}", org.0.simple(), hex::encode(mint.secret::<RANDOM_BYTES>()));
        Self { org, text: text.into() }
    }

    /// Parses a secret. Returns `None` if its form is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != ORG_LENGTH + 2 * RANDOM_BYTES || !is_hex {
            return None;
        }
        let org = Uuid::try_parse(text.get(..ORG_LENGTH)?).ok()?;
        Some(Self { org: OrgId(org), text: text.into() })
    }

    /// Returns the organization that it names.
    #[must_use]
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Returns the hash that is stored instead of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.text.expose_secret())
    }

    /// Returns the secret itself, for the cookie or the link.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_secret_is_read_as_it_was_generated(seed: u64, org: u128) {
            let secret = LoginSecret::generate(OrgId(Uuid::from_u128(org)), &Mint::seeded(seed));
            let read = LoginSecret::parse(secret.expose()).unwrap();
            prop_assert_eq!(read.org(), secret.org());
            prop_assert_eq!(read.hash(), secret.hash());
        }

        #[test]
        fn any_text_is_judged(text in "[0-9a-fA-Fg]{95,97}|.{0,100}") {
            let fits = text.len() == 96 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            prop_assert_eq!(LoginSecret::parse(&text).is_some(), fits);
        }
    }
}
