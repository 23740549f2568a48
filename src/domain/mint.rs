//! The only module that uses randomness: it draws ids, keys and nonces.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::SysRng;
use rand::{Rng, TryRng};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{SessionId, Timestamp};

/// The source of randomness: the operating system, seeded once per thread, or a stored seed.
#[derive(Clone, Debug, Default)]
pub struct Mint(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Seeded(Arc<Mutex<Draws>>),
}

/// Draws from a seed: SHA-256 over the seed and the draw's number. Stored seeds outlive a process and an upgrade, and
/// no library's generator guarantees the same values for that long.
#[derive(Debug)]
struct Draws {
    seed: [u8; 32],
    count: u64,
}

impl Draws {
    fn next(&mut self) -> [u8; 32] {
        self.count += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.count.to_be_bytes()).finalize().into()
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            chunk.copy_from_slice(&self.next()[..chunk.len()]);
        }
    }
}

impl Mint {
    /// Returns a source of unpredictable values.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a source with repeatable values: the same draws in the same order return the same. For a request that
    /// may have to be executed again, never for a secret.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(Draws { seed, count: 0 }))))
    }

    /// Returns a seeded source; for tests only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Self::from_seed(bytes)
    }

    fn bits<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the mint that the ban points to")]
            Source::System => rand::rng().fill_bytes(&mut bytes),
            Source::Seeded(draws) => draws.lock().unwrap_or_else(PoisonError::into_inner).fill(&mut bytes),
        }
        bytes
    }

    /// Returns bytes for a secret, directly from the operating system.
    ///
    /// # Panics
    /// When the operating system has no randomness, because no secret must be generated then.
    #[must_use]
    pub fn secret<const N: usize>(&self) -> [u8; N] {
        match &self.0 {
            Source::System => {
                let mut bytes = [0; N];
                SysRng.try_fill_bytes(&mut bytes).expect("the operating system gives randomness");
                bytes
            }
            Source::Seeded(_) => self.bits(),
        }
    }

    /// Returns a random UUID (version 4, RFC 9562).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bits()).into_uuid()
    }

    /// Returns an id that sorts by its time of creation (UUIDv7, RFC 9562), so that new rows are at the end of the
    /// index.
    #[must_use]
    pub fn session_id(&self, now: Timestamp) -> SessionId {
        let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        SessionId(uuid::Builder::from_unix_timestamp_millis(milliseconds, &self.bits()).into_uuid())
    }

    /// Returns a UUIDv7 with the version digit 4. ElizaOS clients check session ids against a pattern for UUIDv4, which
    /// this id matches, while the index stays compact. 74 bits are random, as in a UUIDv7.
    #[must_use]
    pub fn session_id_v4(&self, now: Timestamp) -> SessionId {
        let mut bytes = self.session_id(now).0.into_bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        SessionId(Uuid::from_bytes(bytes))
    }

    /// Returns 16 random bytes in lower-case hexadecimal.
    #[must_use]
    pub fn request_id(&self) -> String {
        Uuid::from_bytes(self.bits()).simple().to_string()
    }

    /// Returns `digits` (at most 16) random lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self, digits: usize) -> String {
        let mut text = format!("{:016x}", u64::from_be_bytes(self.bits()));
        text.truncate(digits);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn session_ids_sort_by_time(seed: u64, a in 0i64..=1 << 47, later in 1i64..1 << 40) {
            let mint = Mint::seeded(seed);
            let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
            prop_assert!(mint.session_id(at(a)) < mint.session_id(at(a + later)));
            let v4 = mint.session_id_v4(at(a));
            prop_assert!(v4 < mint.session_id_v4(at(a + later)));
            prop_assert_eq!(v4.0.get_version_num(), 4);
            prop_assert_eq!(v4.0.get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| {
            let mint = Mint::from_seed([seed; 32]);
            (mint.uuid(), mint.session_id(DateTime::UNIX_EPOCH), mint.hex(4))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    /// Seeds are stored in the database, so every later version must draw the same values from them.
    #[test]
    fn a_seed_is_good_for_the_same_draws_for_ever() {
        let mint = Mint::from_seed([7; 32]);
        let drawn = [mint.uuid().to_string(), mint.uuid().to_string(), mint.hex(16)];
        assert_eq!(
            drawn,
            ["f222a20b-2192-4d88-a723-77031f01efe0", "5922329e-0c5c-4306-ab0f-9d60da4ae148", "cde46f4b8147c314"]
        );
    }

    #[test]
    fn hex_has_the_digits_asked_for() {
        let text = Mint::system().hex(4);
        assert_eq!(text.len(), 4);
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    }
}
