//! Erasures: whose data is deleted, and which user a session belongs to.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::DialectName;

/// What an erasure deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureScope {
    /// The sessions of one user, in all dialects, and the user's contact.
    User,
    /// One session.
    Session,
    /// Everything that an organization stores.
    Organization,
    /// The sessions of a dialect that have not changed for long.
    Retention,
}

impl ErasureScope {
    const ALL: [Self; 4] = [Self::User, Self::Session, Self::Organization, Self::Retention];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Organization => "organization",
            Self::Retention => "retention",
        }
    }

    /// Returns its number in the database.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::User => 1,
            Self::Session => 2,
            Self::Organization => 3,
            Self::Retention => 4,
        }
    }

    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.code() == code)
    }
}

/// The key under which a subject is hashed. The database never has it, so that the ids of a receipt cannot be guessed.
pub type ProofKey = [u8; 32];

/// Returns the HMAC-SHA256 of the id of a user or a session.
///
/// # Panics
/// Never, because HMAC accepts keys of any length.
#[must_use]
pub fn subject_hash(key: &ProofKey, subject: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(subject.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Returns bytes in hexadecimal, as a proof and a hash are shown.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ids in a session that may be its user's.
#[derive(Clone, Debug, Default)]
pub struct UserIds {
    /// The session's own user.
    pub user_id: Option<String>,
    /// The client's id of its contact, and the contact's own id.
    pub contact_external_id: Option<String>,
    pub contact_id: Option<String>,
    /// `userId` and `user_id` of its metadata.
    pub metadata: [Option<String>; 2],
}

impl UserIds {
    /// Returns whether a session of this dialect belongs to the user. `contact` is the id of the user's contact.
    #[must_use]
    pub fn belongs_to(&self, dialect: DialectName, user: &str, contact: Option<&str>) -> bool {
        let is_user = |id: &Option<String>| id.as_deref() == Some(user);
        let in_metadata = || self.metadata.iter().any(is_user);
        match dialect {
            DialectName::Agnost | DialectName::Messaging => is_user(&self.user_id),
            DialectName::Agntix => {
                let is_contact = contact.is_some() && self.contact_id.as_deref() == contact;
                is_contact || is_user(&self.contact_external_id) || is_user(&self.contact_id) || in_metadata()
            }
            DialectName::AgentKey | DialectName::IntegerId => in_metadata(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_names_its_user_in_its_own_way() {
        let some = |id: &str| Some(id.to_owned());
        let own = UserIds { user_id: some("u"), ..UserIds::default() };
        let external = UserIds { contact_external_id: some("u"), ..UserIds::default() };
        let contact = UserIds { contact_id: some("c"), ..UserIds::default() };
        let metadata = UserIds { metadata: [None, some("u")], ..UserIds::default() };
        for (dialect, expected) in [
            (DialectName::Agnost, [true, false, false, false]),
            (DialectName::Agntix, [false, true, true, true]),
            (DialectName::AgentKey, [false, false, false, true]),
            (DialectName::Messaging, [true, false, false, false]),
            (DialectName::IntegerId, [false, false, false, true]),
        ] {
            let found = [&own, &external, &contact, &metadata].map(|ids| ids.belongs_to(dialect, "u", Some("c")));
            assert_eq!(found, expected, "{dialect}");
            let other = [&own, &external, &contact, &metadata].map(|ids| ids.belongs_to(dialect, "v", None));
            assert_eq!(other, [false; 4], "{dialect}");
        }
        assert!(!UserIds::default().belongs_to(DialectName::Agntix, "u", None));
    }

    #[test]
    fn a_hash_depends_on_its_key() {
        assert_ne!(subject_hash(&[1; 32], "u"), subject_hash(&[2; 32], "u"));
        assert_ne!(subject_hash(&[1; 32], "u"), subject_hash(&[1; 32], "v"));
    }
}
