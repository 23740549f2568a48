//! A set of public keys as an identity provider publishes it (RFC 7517).

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::auth::published_keys::KeyDocument;

/// Keys of one set. Providers publish two to four.
const MAX_KEYS: usize = 64;

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// The algorithms of public keys: everything that a published key can verify.
pub(super) const PUBLIC_KEY_ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The keys of one provider at one time.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Arc<PublicKey>>);

/// A key that verifies signatures.
#[derive(Debug)]
pub(super) struct PublicKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    pub key: DecodingKey,
}

#[derive(Deserialize)]
struct Document<'d> {
    #[serde(borrow)]
    keys: Vec<&'d RawValue>,
}

impl KeyDocument for KeySet {
    /// Reads a set. A key that cannot be read or used is skipped, because one such key must not lock out the users of
    /// the others. Returns `None` where no key is left.
    fn read(document: &str) -> Option<Self> {
        let document: Document<'_> = serde_json::from_str(document).ok()?;
        let keys = document.keys.iter().filter_map(|key| PublicKey::read(key.get())).take(MAX_KEYS);
        let keys: Vec<_> = keys.map(Arc::new).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }
}

impl KeySet {
    /// Returns the key of that id which verifies that algorithm. A token without an id needs none where only one key
    /// can have signed it (RFC 7515, section 4.1.4; OpenID Connect Core, section 10.1).
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<Arc<PublicKey>> {
        let mut fitting = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).cloned(),
            None => {
                let only = fitting.next()?;
                fitting.next().is_none().then(|| Arc::clone(only))
            }
        }
    }
}

impl PublicKey {
    fn read(text: &str) -> Option<Self> {
        let key: Jwk = serde_json::from_str(text).ok()?;
        let is_for_signatures = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let verifies = key.common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !is_for_signatures || !verifies {
            return None;
        }
        let of_its_kind: &[Algorithm] = match &key.algorithm {
            AlgorithmParameters::RSA(_) => RSA,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
            // A published secret is none.
            _ => return None,
        };
        let algorithms = match key.common.key_algorithm {
            None => of_its_kind.to_vec(),
            Some(named) => {
                let named = named.to_string().parse::<Algorithm>().ok()?;
                of_its_kind.contains(&named).then(|| vec![named])?
            }
        };
        let decoding_key = DecodingKey::from_jwk(&key).ok()?;
        Some(Self { id: key.common.key_id, algorithms, key: decoding_key })
    }
}
