//! The wire type of an API key.

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{AllowedAddresses, ApiKey, IssuedKey, KeyId, KeyState, Timestamp};

/// How long a key is unused before that is a warning.
const UNUSED_FOR: TimeDelta = TimeDelta::days(90);

/// An API key, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct WireKey {
    #[schema(value_type = uuid::Uuid)]
    id: KeyId,
    name: String,
    /// The part before the key's last underscore.
    #[schema(example = "pk_live")]
    prefix: String,
    /// The first four characters after the prefix; `null` for old keys.
    #[schema(example = "4fG7")]
    hint: Option<String>,
    #[schema(example = json!(["sessions:read", "events:read"]))]
    scopes: Vec<String>,
    /// The networks from which it may be used; none for everywhere.
    #[schema(example = json!(["203.0.113.0/24"]))]
    allowed_addresses: Vec<String>,
    #[schema(value_type = String, example = "active")]
    state: KeyState,
    /// `expires_soon`: within 14 days. `unused`: for 90 days.
    warnings: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Milliseconds>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Milliseconds>,
    /// To about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Milliseconds>,
}

impl WireKey {
    pub(super) fn new(key: &IssuedKey, now: Timestamp) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            prefix: key.prefix.as_str().to_owned(),
            hint: key.hint.clone(),
            scopes: key.scopes.names(),
            allowed_addresses: key.allowed_addresses.as_ref().map(AllowedAddresses::texts).unwrap_or_default(),
            state: key.state(now),
            warnings: warnings(key, now),
            created_at: Milliseconds(key.created_at),
            expires_at: key.expires_at.map(Milliseconds),
            revoked_at: key.revoked_at.map(Milliseconds),
            last_used_at: key.last_used_at.map(Milliseconds),
        }
    }
}

fn warnings(key: &IssuedKey, now: Timestamp) -> Vec<&'static str> {
    let state = key.state(now);
    let is_unused = state.is_usable() && key.last_used_at.unwrap_or(key.created_at) + UNUSED_FOR <= now;
    let warnings = [("expires_soon", state == KeyState::Expiring), ("unused", is_unused)];
    warnings.into_iter().filter(|(_, applies)| *applies).map(|(name, _)| name).collect()
}

/// What is a version of a key: what requests change. The time of its last use changes by itself.
#[derive(Serialize)]
pub struct KeyVersion {
    id: KeyId,
    name: String,
    scopes: Vec<String>,
    allowed_addresses: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl From<&IssuedKey> for KeyVersion {
    fn from(key: &IssuedKey) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            scopes: key.scopes.names(),
            allowed_addresses: key.allowed_addresses.as_ref().map(AllowedAddresses::texts),
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// A response with a key and its version.
pub(super) type KeyReply<T> = VersionedAs<T, KeyVersion>;

/// A new key: the only response with the key itself.
#[derive(Serialize, ToSchema)]
pub struct MadeKey {
    #[serde(flatten)]
    described: WireKey,
    /// The key itself, which is shown only once.
    key: String,
}

impl MadeKey {
    pub(super) fn new(key: &ApiKey, issued: &IssuedKey, now: Timestamp) -> Self {
        Self { described: WireKey::new(issued, now), key: key.expose().to_owned() }
    }
}

pub(super) const MISSING: SessionaryError = SessionaryError::NotFound("key");

/// Returns the id that a path names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id.
pub(super) fn id_of(text: &str) -> Result<KeyId, SessionaryError> {
    text.parse().map_err(|_| MISSING)
}

/// Returns the error of a request that would add a key to an organization with 1,000 active ones.
pub(super) fn too_many() -> SessionaryError {
    SessionaryError::Conflict {
        code: "too_many_keys",
        detail: "The organization has 1,000 keys that are neither revoked nor expired.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{KeyPrefix, Mint, Scopes};

    #[test]
    fn a_key_that_nothing_uses_has_a_warning() {
        let (mint, made) = (Mint::seeded(1), Timestamp::UNIX_EPOCH);
        let key = ApiKey::generate(&KeyPrefix::default(), &mint);
        let mut key = IssuedKey::named(KeyId(mint.uuid()), "ci".to_owned(), &key, Scopes::EVERY, made);
        assert!(warnings(&key, made + UNUSED_FOR - TimeDelta::seconds(1)).is_empty());
        assert_eq!(warnings(&key, made + UNUSED_FOR), ["unused"]);
        key.last_used_at = Some(made + TimeDelta::days(1));
        assert!(warnings(&key, made + UNUSED_FOR).is_empty());
        key.expires_at = Some(made + TimeDelta::days(100));
        assert_eq!(warnings(&key, made + TimeDelta::days(95)), ["expires_soon", "unused"]);
        key.revoke(made, None);
        assert!(warnings(&key, made + TimeDelta::days(95)).is_empty());
    }
}
