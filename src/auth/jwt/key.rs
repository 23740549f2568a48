//! What tokens are signed with, and the key that verifies one token.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header};
use secrecy::{ExposeSecret, SecretString};

use super::key_set::{KeySet, PUBLIC_KEY_ALGORITHMS, PublicKey};
use crate::auth::published_keys::{KeyMissing, KeySetSource, PublishedKeys};
use crate::domain::Timestamp;

/// What an issuer's tokens are signed with.
#[derive(Clone, Debug)]
pub enum JwtKey {
    /// HS256.
    Secret(SecretString),
    /// A public key in PEM: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    Pem(String),
    /// The keys that the issuer publishes.
    Published(KeySetSource),
}

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtKeyError {
    #[error("the public key is no PEM of an RSA, P-256 or Ed25519 key")]
    NoPem,
    #[error("published keys need the name of their issuer")]
    NoIssuer,
}

/// The keys of one issuer.
#[derive(Clone)]
pub(super) enum Keys {
    Fixed { algorithm: Algorithm, key: Arc<DecodingKey> },
    Remote(Arc<PublishedKeys<KeySet>>),
}

/// A key that verifies one token.
pub(super) enum TokenKey {
    Fixed(Arc<DecodingKey>),
    Published(Arc<PublicKey>),
}

impl TokenKey {
    pub fn as_key(&self) -> &DecodingKey {
        match self {
            Self::Fixed(key) => key,
            Self::Published(key) => &key.key,
        }
    }
}

impl Keys {
    pub fn new(key: &JwtKey, issuer: Option<&str>) -> Result<Self, JwtKeyError> {
        let fixed = |algorithm, key| Self::Fixed { algorithm, key: Arc::new(key) };
        Ok(match key {
            JwtKey::Secret(secret) => {
                fixed(Algorithm::HS256, DecodingKey::from_secret(secret.expose_secret().as_bytes()))
            }
            JwtKey::Pem(pem) => {
                let pem = pem.as_bytes();
                let read = DecodingKey::from_rsa_pem(pem)
                    .map(|key| fixed(Algorithm::RS256, key))
                    .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| fixed(Algorithm::ES256, key)))
                    .or_else(|_| DecodingKey::from_ed_pem(pem).map(|key| fixed(Algorithm::EdDSA, key)));
                read.map_err(|_| JwtKeyError::NoPem)?
            }
            JwtKey::Published(source) => {
                let issuer = issuer.ok_or(JwtKeyError::NoIssuer)?;
                Self::Remote(Arc::new(PublishedKeys::new(issuer.to_owned(), source.clone())))
            }
        })
    }

    /// Returns the key that verifies a token with this header. `allowed` are the algorithms that the deployment allows;
    /// empty for all that the keys have. The token never chooses an algorithm that its key is not for.
    ///
    /// # Errors
    /// [`KeyMissing::Unknown`] when no key can have signed such a token; [`KeyMissing::Unreachable`] when that cannot be
    /// said, because the issuer's keys cannot be fetched.
    pub async fn find(&self, header: &Header, allowed: &[Algorithm], now: Timestamp) -> Result<TokenKey, KeyMissing> {
        if !allowed.is_empty() && !allowed.contains(&header.alg) {
            return Err(KeyMissing::Unknown);
        }
        match self {
            Self::Fixed { algorithm, key } if header.alg == *algorithm => Ok(TokenKey::Fixed(Arc::clone(key))),
            Self::Remote(keys) if PUBLIC_KEY_ALGORITHMS.contains(&header.alg) => {
                let (id, algorithm) = (header.kid.as_deref(), header.alg);
                keys.find(now, |keys| keys.find(id, algorithm)).await.map(TokenKey::Published)
            }
            _ => Err(KeyMissing::Unknown),
        }
    }
}
