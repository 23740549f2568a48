//! A key as Agntix writes it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::agntix::AgntixError;
use crate::dialects::shared::time::Seconds;
use crate::domain::{ApiKey, IssuedKey, JsonText, KeyId, Timestamp};

/// Returns the id of the key that a path names.
///
/// # Errors
/// [`AgntixError::KeyNotFound`] if the text is not an id.
pub(super) fn id_of(text: &str) -> Result<KeyId, AgntixError> {
    KeyId::from_agntix(text).ok_or(AgntixError::KeyNotFound)
}

/// A new key: the only response that contains the secret key itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeApiKey {
    #[schema(example = "key_01j3m8xkqp8v2nw4f7g9hk0r00")]
    id: String,
    name: String,
    /// The secret key, which is shown only once.
    key: String,
    /// The beginning of the key.
    #[schema(example = "pk_live_4fG7")]
    prefix: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
}

impl MadeApiKey {
    pub(super) fn new(key: &ApiKey, issued: IssuedKey) -> Self {
        Self {
            id: issued.id.to_agntix(),
            prefix: issued.beginning(),
            name: issued.name,
            key: key.expose().to_owned(),
            created_at: Seconds(issued.created_at),
        }
    }
}

/// An API key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatApiKey {
    #[schema(example = "key_01j3m8xkqp8v2nw4f7g9hk0r00")]
    id: String,
    name: String,
    description: Option<String>,
    /// The beginning of the key.
    #[schema(example = "pk_live_4fG7")]
    prefix: String,
    scopes: Vec<String>,
    #[schema(value_type = Object)]
    metadata: JsonText,
    /// True if the key is neither revoked nor expired.
    is_active: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Seconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Seconds>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke_reason: Option<String>,
}

impl ChatApiKey {
    pub(super) fn new(key: IssuedKey, now: Timestamp) -> Self {
        Self {
            id: key.id.to_agntix(),
            prefix: key.beginning(),
            is_active: key.is_active(now),
            name: key.name,
            description: key.description,
            scopes: key.scopes.names(),
            metadata: key.metadata,
            created_at: Seconds(key.created_at),
            expires_at: key.expires_at.map(Seconds),
            revoked_at: key.revoked_at.map(Seconds),
            revoke_reason: key.revoke_reason,
        }
    }
}
