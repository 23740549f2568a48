//! Erasures: whose data is deleted.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_its_key() {
        assert_ne!(subject_hash(&[1; 32], "u"), subject_hash(&[2; 32], "u"));
        assert_ne!(subject_hash(&[1; 32], "u"), subject_hash(&[1; 32], "v"));
    }
}
