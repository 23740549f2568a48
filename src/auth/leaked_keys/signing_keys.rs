//! The public keys that reports are signed with, as GitHub publishes them: ECDSA over P-256 with SHA-256.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use serde::Deserialize;

use crate::auth::published_keys::KeyDocument;

/// Keys of one document. GitHub publishes a handful.
const MAX_KEYS: usize = 64;

pub(super) struct SigningKeys(Vec<(String, ParsedPublicKey)>);

#[derive(Deserialize)]
struct Document {
    public_keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key_identifier: String,
    /// A PEM.
    key: String,
}

impl KeyDocument for SigningKeys {
    /// Reads a document. A key that cannot be used is skipped.
    fn read(document: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(document).ok()?;
        let key = |entry: Entry| {
            let pem = pem::parse(entry.key).ok().filter(|pem| pem.tag() == "PUBLIC KEY")?;
            let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pem.contents()).ok()?;
            Some((entry.key_identifier, key))
        };
        let keys: Vec<_> = document.public_keys.into_iter().filter_map(key).take(MAX_KEYS).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }
}

impl SigningKeys {
    /// Returns whether the key with this identifier has signed the message, or `None` if there is no such key.
    pub fn have_signed(&self, identifier: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        let (_, key) = self.0.iter().find(|(id, _)| id == identifier)?;
        Some(key.verify_sig(message, signature).is_ok())
    }
}
