//! Signed deliveries, as Standard Webhooks 1.0.0 has them (<https://www.standardwebhooks.com>): HMAC-SHA256 over
//! `{webhook-id}.{webhook-timestamp}.{body}`, in base64 behind `v1,`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use uuid::Uuid;

use super::ResponderError;
use crate::domain::Timestamp;

/// What the standard allows, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The headers of every delivery: which message it is, and when it was sent, in Unix seconds.
pub(super) fn headers(id: Uuid, now: Timestamp) -> HeaderMap {
    let value = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    HeaderMap::from_iter([
        (http::HeaderName::from_static("webhook-id"), value(id.to_string())),
        (http::HeaderName::from_static("webhook-timestamp"), HeaderValue::from(now.timestamp())),
    ])
}

/// The signature, for the header `webhook-signature`. The secret is `whsec_` and the key in base64.
pub(super) fn sign(
    secret: &SecretString,
    id: Uuid,
    now: Timestamp,
    body: &[u8],
) -> Result<HeaderValue, ResponderError> {
    let unusable = || ResponderError::Misconfigured("its secret is not whsec_ and 24 to 64 bytes in base64");
    let text = secret.expose_secret();
    let key = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(|_| unusable())?;
    if !KEY_BYTES.contains(&key.len()) {
        return Err(unusable());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| unusable())?;
    mac.update(format!("{id}.{}.", now.timestamp()).as_bytes());
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    HeaderValue::try_from(format!("v1,{signature}")).map_err(|_| unusable())
}
