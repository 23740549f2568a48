//! An API key's data without the key itself.

use std::fmt;

use chrono::TimeDelta;
use serde::Serialize;

use super::{AllowedAddresses, ApiKey, JsonText, KeyId, KeyPrefix, Scopes, Timestamp};

/// How long before its end a key is marked as expiring.
pub const KEY_EXPIRY_WARNING: TimeDelta = TimeDelta::days(14);

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    Active,
    /// Can be used, and ends within [`KEY_EXPIRY_WARNING`].
    Expiring,
    Expired,
    Revoked,
}

impl KeyState {
    /// Returns the state at `now` of a key with these ends.
    #[must_use]
    pub fn at(now: Timestamp, expires_at: Option<Timestamp>, revoked_at: Option<Timestamp>) -> Self {
        match expires_at {
            _ if revoked_at.is_some() => Self::Revoked,
            Some(end) if end <= now => Self::Expired,
            Some(end) if end - now <= KEY_EXPIRY_WARNING => Self::Expiring,
            _ => Self::Active,
        }
    }

    /// Returns whether the key is neither revoked nor expired.
    #[must_use]
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Active | Self::Expiring)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct IssuedKey {
    pub id: KeyId,
    /// 1 to 200 characters.
    pub name: String,
    /// At most 1,000 characters.
    pub description: Option<String>,
    pub metadata: JsonText,
    pub prefix: KeyPrefix,
    /// The first characters after the prefix; `None` for keys that were issued before these were stored.
    pub hint: Option<String>,
    pub scopes: Scopes,
    /// The subject of the token that created it, or the id of the API key, `key_…`.
    pub created_by: Option<String>,
    pub created_at: Timestamp,
    /// `None` if the key does not expire.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// At most 500 characters.
    pub revoke_reason: Option<String>,
    /// The networks from which it may be used; `None` for everywhere.
    pub allowed_addresses: Option<AllowedAddresses>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl IssuedKey {
    /// Returns a key with these values and defaults for all others.
    #[must_use]
    pub fn named(id: KeyId, name: String, key: &ApiKey, scopes: Scopes, created_at: Timestamp) -> Self {
        Self {
            id,
            name,
            description: None,
            metadata: JsonText::empty_object(),
            prefix: key.prefix(),
            hint: Some(key.hint().to_owned()),
            scopes,
            created_by: None,
            created_at,
            expires_at: None,
            revoked_at: None,
            revoke_reason: None,
            allowed_addresses: None,
            last_used_at: None,
        }
    }

    /// Returns the beginning of the key that may be shown: enough to recognise it, too little to guess it.
    #[must_use]
    pub fn beginning(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}_{hint}", self.prefix),
            None => self.prefix.to_string(),
        }
    }

    /// Returns whether the key can be used at `now`, and for how long.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> KeyState {
        KeyState::at(now, self.expires_at, self.revoked_at)
    }

    /// Returns whether the key is neither revoked nor expired.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state(now).is_usable()
    }

    /// Revokes the key at `now`. Does nothing if it is already revoked.
    pub fn revoke(&mut self, now: Timestamp, reason: Option<String>) {
        if self.revoked_at.is_none() {
            self.revoked_at = Some(now);
            self.revoke_reason = reason;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Mint;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn a_key_is_recognised_by_its_beginning_and_ends_once() {
        let (mint, now) = (Mint::seeded(1), DateTime::UNIX_EPOCH);
        let key = ApiKey::generate(&KeyPrefix::development(), &mint);
        let mut issued = IssuedKey::named(KeyId(mint.uuid()), "ci".to_owned(), &key, Scopes::EVERY, now);
        assert!(key.expose().starts_with(&issued.beginning()));
        assert_eq!(issued.beginning().len(), "pk_dev_".len() + 4);
        assert_eq!(IssuedKey { hint: None, ..issued.clone() }.beginning(), "pk_dev");

        let later = now + TimeDelta::seconds(1);
        issued.expires_at = Some(later);
        assert!(issued.is_active(now) && !issued.is_active(later));
        issued.revoke(now, Some("lost".to_owned()));
        issued.revoke(later, Some("again".to_owned()));
        assert_eq!((issued.revoked_at, issued.revoke_reason.as_deref()), (Some(now), Some("lost")));
        assert!(!issued.is_active(now));
    }

    #[test]
    fn a_key_expires_with_a_warning() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        let state = |end: Option<TimeDelta>| KeyState::at(now, end.map(|end| now + end), None);
        assert_eq!(state(None), KeyState::Active);
        assert_eq!(state(Some(KEY_EXPIRY_WARNING + TimeDelta::milliseconds(1))), KeyState::Active);
        assert_eq!(state(Some(KEY_EXPIRY_WARNING)), KeyState::Expiring);
        assert_eq!(state(Some(TimeDelta::milliseconds(1))), KeyState::Expiring);
        assert_eq!(state(Some(TimeDelta::zero())), KeyState::Expired);
        assert_eq!(KeyState::at(now, Some(now), Some(now)), KeyState::Revoked);
        assert!(KeyState::Expiring.is_usable() && !KeyState::Expired.is_usable());
    }
}
