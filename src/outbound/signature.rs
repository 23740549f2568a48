//! Signed deliveries in the format of Standard Webhooks 1.0.0 (<https://www.standardwebhooks.com>): HMAC-SHA256 over
//! `{id}.{timestamp}.{body}`, in base64 after `v1,`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::domain::{Mint, Timestamp};

/// The length of a key in bytes that the standard allows.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The names of a delivery's headers.
pub struct Names {
    id: HeaderName,
    timestamp: HeaderName,
    signature: HeaderName,
}

/// The standard's names.
pub static STANDARD: Names = Names {
    id: HeaderName::from_static("webhook-id"),
    timestamp: HeaderName::from_static("webhook-timestamp"),
    signature: HeaderName::from_static("webhook-signature"),
};

/// Svix's own names, which are older than the standard. Everything else is the same.
pub static SVIX: Names = Names {
    id: HeaderName::from_static("svix-id"),
    timestamp: HeaderName::from_static("svix-timestamp"),
    signature: HeaderName::from_static("svix-signature"),
};

/// The error for a secret that is not `whsec_` and 24 to 64 bytes in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is not whsec_ and 24 to 64 bytes in base64")]
pub struct UnusableSecret;

/// Returns a new secret of 32 bytes.
#[must_use]
pub fn secret(mint: &Mint) -> SecretString {
    format!("whsec_{}", BASE64.encode(mint.secret::<32>())).into()
}

/// Returns the headers of a delivery: the message's id, the time in Unix seconds, and a signature by each secret,
/// separated by spaces.
///
/// # Errors
/// When a secret cannot be used.
pub fn headers(
    names: &Names,
    secrets: &[SecretString],
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, UnusableSecret> {
    let value = |text: &str| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    let mut headers = HeaderMap::from_iter([
        (names.id.clone(), value(id)),
        (names.timestamp.clone(), HeaderValue::from(now.timestamp())),
    ]);
    let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, id, now, body)).collect::<Result<_, _>>()?;
    if !signatures.is_empty() {
        headers.insert(names.signature.clone(), value(&signatures.join(" ")));
    }
    Ok(headers)
}

/// Checks that a secret can be used.
///
/// # Errors
/// When it is not `whsec_` and 24 to 64 bytes in base64.
pub fn check(secret: &SecretString) -> Result<(), UnusableSecret> {
    key_of(secret).map(|_| ())
}

fn key_of(secret: &SecretString) -> Result<Vec<u8>, UnusableSecret> {
    let text = secret.expose_secret();
    let key = BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(|_| UnusableSecret)?;
    if KEY_BYTES.contains(&key.len()) { Ok(key) } else { Err(UnusableSecret) }
}

fn sign(secret: &SecretString, id: &str, now: Timestamp, body: &[u8]) -> Result<String, UnusableSecret> {
    let key = key_of(secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| UnusableSecret)?;
    mac.update(format!("{id}.{}.", now.timestamp()).as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}
