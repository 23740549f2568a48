//! Sealing of secrets that must be read back: envelope encryption with AES-256-GCM.
//!
//! An organization has a random data key, which seals its secrets. The data key is stored sealed under a key of the
//! deployment's settings, so that the database alone opens nothing, and a new key of the deployment needs one small row
//! per organization to be sealed again. Every sealed text is bound to its organization and its row: copied to another
//! one, it does not open.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use uuid::Uuid;

use super::{Mint, OrgId};

/// Bytes of a key.
const KEY: usize = 32;
/// Characters of a key's id.
const MAX_ID: usize = 32;
/// Keys of a deployment.
const MAX_KEYS: usize = 16;
/// The beginning of a sealed secret. A secret of a webhook begins with `whsec_`.
const SEALED: &str = "sealed:1:";

/// The keys of a deployment that data keys are sealed under. The first one is the current one.
#[derive(Clone)]
pub struct SealingKeys(Arc<[SealingKey]>);

struct SealingKey {
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for SealingKeys {
    /// Formats the ids only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

/// Why keys cannot be used. It contains no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSealingKeys {
    #[error("each key is an id of 1 to 32 characters of a-z, 0-9, _ and -, a colon, and 32 bytes in base64")]
    Form,
    #[error("two keys have the id {0}")]
    Repeated(String),
    #[error("there are more than {MAX_KEYS} keys")]
    Count,
}

impl FromStr for SealingKeys {
    type Err = InvalidSealingKeys;

    /// Parses `id:base64`, the current key first and older ones after commas.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut keys: Vec<SealingKey> = Vec::new();
        for entry in text.split(',') {
            let (id, key) = entry.trim().split_once(':').ok_or(InvalidSealingKeys::Form)?;
            let is_id = (1..=MAX_ID).contains(&id.len())
                && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
            let bytes = BASE64.decode(key.trim()).ok().filter(|bytes| is_id && bytes.len() == KEY);
            let key = bytes.and_then(|bytes| key_of(&bytes)).ok_or(InvalidSealingKeys::Form)?;
            if keys.iter().any(|other| other.id == id) {
                return Err(InvalidSealingKeys::Repeated(id.to_owned()));
            }
            keys.push(SealingKey { id: id.to_owned(), key });
        }
        if keys.len() > MAX_KEYS { Err(InvalidSealingKeys::Count) } else { Ok(Self(keys.into())) }
    }
}

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedDataKey {
    /// The id of the deployment's key.
    pub sealed_under: String,
    pub sealed: Vec<u8>,
}

/// Why something sealed cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("SESSIONARY_SEALING_KEYS is not set, and a secret is sealed")]
    NoKeys,
    #[error("SESSIONARY_SEALING_KEYS has no key with the id {0}")]
    UnknownKey(String),
    #[error("the key {0} of SESSIONARY_SEALING_KEYS is not the one that this database was sealed with")]
    WrongKey(String),
    #[error("a sealed secret was changed, or belongs to another organization or row")]
    Damaged,
    #[error("an organization with sealed secrets has no data key")]
    NoDataKey,
}

impl SealingKeys {
    /// Returns the id of the current key.
    #[must_use]
    pub fn current(&self) -> &str {
        self.0.first().map_or("", |key| &key.id)
    }

    /// Returns whether there is a key with this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// Draws a data key for an organization, and seals it under the current key.
    #[must_use]
    pub fn draw(&self, org: OrgId, mint: &Mint) -> (DataKey, SealedDataKey) {
        let key = DataKey { org, key: SecretBox::new(Box::new(mint.secret::<KEY>())) };
        let sealed = self.seal(&key, mint);
        (key, sealed)
    }

    /// Seals a data key under the current key.
    #[must_use]
    pub fn seal(&self, data_key: &DataKey, mint: &Mint) -> SealedDataKey {
        let id = self.current().to_owned();
        let sealed = match self.0.first() {
            Some(current) => seal(&current.key, &bound_key(data_key.org, &id), data_key.key.expose_secret(), mint),
            None => Vec::new(),
        };
        SealedDataKey { sealed_under: id, sealed }
    }

    /// Opens the data key of an organization.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] and [`SealError::WrongKey`].
    pub fn open(&self, org: OrgId, sealed: &SealedDataKey) -> Result<DataKey, SealError> {
        let id = &sealed.sealed_under;
        let key = self.0.iter().find(|key| key.id == *id).ok_or_else(|| SealError::UnknownKey(id.clone()))?;
        let opened = open(&key.key, &bound_key(org, id), &sealed.sealed);
        let opened = opened.and_then(|bytes| <[u8; KEY]>::try_from(bytes.as_slice()).ok());
        let opened = opened.ok_or_else(|| SealError::WrongKey(id.clone()))?;
        Ok(DataKey { org, key: SecretBox::new(Box::new(opened)) })
    }
}

/// The key that seals the secrets of one organization.
pub struct DataKey {
    org: OrgId,
    key: SecretBox<[u8; KEY]>,
}

impl DataKey {
    /// Seals a secret of a row.
    #[must_use]
    pub fn seal(&self, row: Uuid, secret: &SecretString, mint: &Mint) -> String {
        let Some(key) = key_of(self.key.expose_secret()) else { return String::new() };
        let sealed = seal(&key, &bound_secret(self.org, row), secret.expose_secret().as_bytes(), mint);
        format!("{SEALED}{}", BASE64.encode(sealed))
    }

    /// Opens a secret of a row.
    ///
    /// # Errors
    /// [`SealError::Damaged`] when it was sealed for another row or organization, or was changed.
    pub fn open(&self, row: Uuid, sealed: &str) -> Result<SecretString, SealError> {
        let bytes = sealed.strip_prefix(SEALED).and_then(|text| BASE64.decode(text).ok()).ok_or(SealError::Damaged)?;
        let key = key_of(self.key.expose_secret()).ok_or(SealError::Damaged)?;
        let opened = open(&key, &bound_secret(self.org, row), &bytes).ok_or(SealError::Damaged)?;
        String::from_utf8(opened).map(SecretString::from).map_err(|_| SealError::Damaged)
    }
}

/// Returns whether a stored secret is sealed.
#[must_use]
pub fn is_sealed(stored: &str) -> bool {
    stored.starts_with(SEALED)
}

fn key_of(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}

/// What a sealed data key is bound to.
fn bound_key(org: OrgId, id: &str) -> Vec<u8> {
    [b"sessionary data key 1\0".as_slice(), org.0.as_bytes(), id.as_bytes()].concat()
}

/// What a sealed secret is bound to.
fn bound_secret(org: OrgId, row: Uuid) -> Vec<u8> {
    [b"sessionary secret 1\0".as_slice(), org.0.as_bytes(), row.as_bytes()].concat()
}

/// Returns a new nonce, the encrypted bytes and their tag. Nonces are random: a key seals far fewer than 2^32 texts.
fn seal(key: &LessSafeKey, bound: &[u8], plain: &[u8], mint: &Mint) -> Vec<u8> {
    let nonce = mint.secret::<NONCE_LEN>();
    let mut bytes = plain.to_vec();
    // Fails for texts of 64 GiB only.
    match key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut bytes) {
        Ok(()) => [nonce.as_slice(), &bytes].concat(),
        Err(_) => Vec::new(),
    }
}

fn open(key: &LessSafeKey, bound: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = bytes.to_vec();
    key.open_in_place(nonce, Aad::from(bound), &mut bytes).ok().map(|plain| plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(ids: &[(&str, u8)]) -> SealingKeys {
        let entries: Vec<String> =
            ids.iter().map(|(id, byte)| format!("{id}:{}", BASE64.encode([*byte; 32]))).collect();
        entries.join(",").parse().unwrap()
    }

    fn org(number: u128) -> OrgId {
        OrgId(Uuid::from_u128(number))
    }

    #[test]
    fn a_secret_opens_in_its_own_row_only() {
        let (mint, keys) = (Mint::seeded(1), keys(&[("a", 1)]));
        let (key, stored) = keys.draw(org(1), &mint);
        let secret = SecretString::from("whsec_x".to_owned());
        let sealed = key.seal(Uuid::from_u128(7), &secret, &mint);
        assert!(is_sealed(&sealed) && !sealed.contains("whsec_") && !is_sealed("whsec_x"));
        assert_ne!(sealed, key.seal(Uuid::from_u128(7), &secret, &mint), "nonces are new");
        let opened = keys.open(org(1), &stored).unwrap();
        assert_eq!(opened.open(Uuid::from_u128(7), &sealed).unwrap().expose_secret(), "whsec_x");
        assert_eq!(opened.open(Uuid::from_u128(8), &sealed).unwrap_err(), SealError::Damaged);
        let (other, _) = keys.draw(org(2), &mint);
        assert_eq!(other.open(Uuid::from_u128(7), &sealed).unwrap_err(), SealError::Damaged);
        assert_eq!(keys.open(org(2), &stored).err(), Some(SealError::WrongKey("a".to_owned())));
        let mut damaged = sealed.into_bytes();
        let last = damaged.len() - 5;
        damaged[last] = if damaged[last] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(damaged).unwrap();
        assert_eq!(opened.open(Uuid::from_u128(7), &damaged).unwrap_err(), SealError::Damaged);
    }

    #[test]
    fn a_new_key_opens_what_an_older_one_sealed() {
        let mint = Mint::seeded(1);
        let (key, old) = keys(&[("a", 1)]).draw(org(1), &mint);
        let sealed = key.seal(Uuid::nil(), &SecretString::from("s".to_owned()), &mint);
        let both = keys(&[("b", 2), ("a", 1)]);
        let new = both.seal(&both.open(org(1), &old).unwrap(), &mint);
        assert_eq!((both.current(), new.sealed_under.as_str()), ("b", "b"));
        let only_new = keys(&[("b", 2)]);
        assert!(only_new.open(org(1), &new).unwrap().open(Uuid::nil(), &sealed).is_ok());
        assert_eq!(only_new.open(org(1), &old).err(), Some(SealError::UnknownKey("a".to_owned())));
        assert_eq!(keys(&[("b", 3)]).open(org(1), &new).err(), Some(SealError::WrongKey("b".to_owned())));
    }

    #[test]
    fn keys_are_read_and_not_shown() {
        let key = BASE64.encode([1; 32]);
        assert_eq!(format!("{:?}", keys(&[("a", 1), ("b-2", 2)])), r#"["a", "b-2"]"#);
        let short = format!("a:{}", BASE64.encode([1; 31]));
        for bad in ["", "a", ":", &key, &format!("A:{key}"), &format!("a:{key},"), &format!(":{key}"), &short] {
            assert_eq!(bad.parse::<SealingKeys>().err(), Some(InvalidSealingKeys::Form), "{bad}");
        }
        let twice = format!("a:{key}, a:{key}");
        assert_eq!(twice.parse::<SealingKeys>().err(), Some(InvalidSealingKeys::Repeated("a".to_owned())));
        let many: Vec<String> = (0..17).map(|n| format!("k{n}:{key}")).collect();
        assert_eq!(many.join(",").parse::<SealingKeys>().err(), Some(InvalidSealingKeys::Count));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_readers(text in "(sealed:1:)?[A-Za-z0-9+/=:,]{0,80}|.{0,40}") {
            let _ = text.parse::<SealingKeys>();
            let (key, _) = keys(&[("a", 1)]).draw(org(1), &Mint::seeded(1));
            prop_assert!(key.open(Uuid::nil(), &text).is_err());
        }
    }
}
