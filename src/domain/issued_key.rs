//! An API key's data without the key itself.

use super::{ApiKey, JsonText, KeyId, KeyPrefix, Scopes, Timestamp};

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

    /// Returns whether the key is neither revoked nor expired.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
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
}
