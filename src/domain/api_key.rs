//! API keys: their format, their checksum and their stored form.
//!
//! A key is `<prefix>_<30 base62 characters><6 base62 characters of CRC-32>`. Under the prefix `agnost` it has the form
//! that the vendor's clients expect: 56 hexadecimal characters and 8 of CRC-32. The checksum covers everything before
//! it, so a mistyped or invented key is rejected without a database query. Only the key's SHA-256 is stored.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::Mint;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_LENGTH: usize = 30;
const CHECKSUM_LENGTH: usize = 6;
const HEX_RANDOM_LENGTH: usize = 56;
const HEX_CHECKSUM_LENGTH: usize = 8;
/// Characters of the secret part that are stored, so that users can recognise a key.
const HINT_LENGTH: usize = 4;

/// The part before a key's last underscore, such as `pk_live`: 1 to 20 letters, digits and inner underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the prefix of development keys.
    #[must_use]
    pub fn development() -> Self {
        Self("pk_dev".to_owned())
    }

    /// Returns the prefix of keys in the form that Agnost's clients expect.
    #[must_use]
    pub fn agnost() -> Self {
        Self("agnost".to_owned())
    }

    fn is_hex(&self) -> bool {
        self.0 == "agnost"
    }
}

impl Default for KeyPrefix {
    fn default() -> Self {
        Self("pk_live".to_owned())
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=20).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.starts_with('_')
            && !text.ends_with('_');
        fits.then(|| Self(text.to_owned())).ok_or(InvalidPrefix)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a key's prefix has 1 to 20 letters, digits and inner underscores, and is given without the last underscore")]
pub struct InvalidPrefix;

/// A well-formed key with a correct checksum. It may never have been issued.
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Generates a key.
    #[must_use]
    pub fn generate(prefix: &KeyPrefix, mint: &Mint) -> Self {
        let mut text = format!("{prefix}_");
        if prefix.is_hex() {
            text.push_str(&hex::encode(mint.secret::<{ HEX_RANDOM_LENGTH / 2 }>()));
            text.push_str(&hex_checksum(&text));
        } else {
            text.push_str(&base62_secret(mint));
            text.push_str(&base62_checksum(&text));
        }
        Self(text.into())
    }

    /// Parses a key. Returns `None` if its form or its checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.rsplit_once('_')?;
        let prefix: KeyPrefix = prefix.parse().ok()?;
        let holds = if prefix.is_hex() {
            rest.len() == HEX_RANDOM_LENGTH + HEX_CHECKSUM_LENGTH
                && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                && text.ends_with(&hex_checksum(&text[..text.len() - HEX_CHECKSUM_LENGTH]))
        } else {
            rest.len() == RANDOM_LENGTH + CHECKSUM_LENGTH
                && rest.bytes().all(|b| b.is_ascii_alphanumeric())
                && text.ends_with(&base62_checksum(&text[..text.len() - CHECKSUM_LENGTH]))
        };
        holds.then(|| Self(text.into()))
    }

    /// Returns the hash that is stored instead of the key.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(self.0.expose_secret())
    }

    /// Returns the SHA-256 of any text in hexadecimal, as other services name a key without showing it.
    #[must_use]
    pub fn hash_of(text: &str) -> String {
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    #[must_use]
    pub fn prefix(&self) -> KeyPrefix {
        KeyPrefix(self.parts().0.to_owned())
    }

    /// Returns the first characters after the prefix.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.parts().1.get(..HINT_LENGTH).unwrap_or_default()
    }

    fn parts(&self) -> (&str, &str) {
        self.expose().rsplit_once('_').unwrap_or_default()
    }

    /// Returns the key itself, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Returns 30 random characters, each of the 62 with the same probability: bytes beyond the last multiple of 62 are
/// discarded.
fn base62_secret(mint: &Mint) -> String {
    let mut text = String::with_capacity(RANDOM_LENGTH);
    while text.len() < RANDOM_LENGTH {
        for byte in mint.secret::<64>() {
            if byte < 248 && text.len() < RANDOM_LENGTH {
                text.push(char::from(BASE62[usize::from(byte % 62)]));
            }
        }
    }
    text
}

fn base62_checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|&d| char::from(d)).collect()
}

fn hex_checksum(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
}

/// The SHA-256 of a key, or of another secret that is stored by its hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Returns the hash of a secret.
    #[must_use]
    pub(super) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Reads a stored hash. Returns `None` if it does not have 32 bytes.
    #[must_use]
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix() -> impl Strategy<Value = KeyPrefix> {
        "agnost|[a-zA-Z0-9]{1,6}(_[a-zA-Z0-9]{1,6}){0,2}".prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn a_generated_key_holds_and_a_changed_one_does_not(seed: u64, prefix in prefix(), at: prop::sample::Index) {
            let key = ApiKey::generate(&prefix, &Mint::seeded(seed));
            let text = key.expose();
            prop_assert_eq!(ApiKey::parse(text).unwrap().hash(), key.hash());
            prop_assert_eq!(key.prefix(), prefix);
            prop_assert_eq!(key.hint().len(), HINT_LENGTH);

            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            prop_assert!(ApiKey::parse(std::str::from_utf8(&bytes).unwrap()).is_none());
        }

        #[test]
        fn any_text_is_judged(text in ".{0,80}") {
            prop_assert!(ApiKey::parse(&text).is_none());
        }
    }

    #[test]
    fn keys_have_their_documented_lengths() {
        let length = |prefix: &str| ApiKey::generate(&prefix.parse().unwrap(), &Mint::seeded(1)).expose().len();
        assert_eq!(length("agnost"), 71);
        assert_eq!(length("pk_live"), "pk_live_".len() + 36);
    }

    /// Returns the patterns of SECURITY.md, each anchored at both ends.
    fn published_patterns() -> Vec<regex::Regex> {
        let text = include_str!("../../SECURITY.md");
        let (_, table) = text.split_once("## Secrets, for scanners").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
        // The patterns are in the last column; a name before them may have an example.
        let column = |row: &'static str| row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
        let patterns = rows.flat_map(|row| column(row).split('`').skip(1).step_by(2));
        patterns.map(|pattern| regex::Regex::new(&format!("^(?:{pattern})$")).unwrap()).collect()
    }

    #[test]
    fn the_published_patterns_match_keys() {
        let patterns = published_patterns();
        assert!(patterns.len() >= 5, "{patterns:?}");
        for (seed, prefix) in
            ["pk_live", "pk_dev", "agnost", "vat", "sk", "a", "abcdefghijklmnopqrst"].iter().enumerate()
        {
            let key = ApiKey::generate(&prefix.parse().unwrap(), &Mint::seeded(seed as u64));
            let matching = patterns.iter().filter(|pattern| pattern.is_match(key.expose())).count();
            assert!(matching >= 1, "{prefix}: {patterns:?}");
            let cut = &key.expose()[..key.expose().len() - 1];
            assert!(!patterns.iter().any(|pattern| pattern.is_match(cut)), "{prefix} without its last character");
        }
    }

    #[test]
    fn nothing_shows_a_key_by_accident() {
        let key = ApiKey::generate(&KeyPrefix::default(), &Mint::seeded(1));
        assert_eq!(format!("{:?}", key.hash()), "KeyHash(…)");
        assert!(!format!("{:?}", key.0).contains(key.expose()));
    }
}
