//! The only place that rolls dice: ids, keys and nonces come from here.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng, TryRng};
use uuid::Uuid;

use super::{SessionId, Timestamp};

/// Where chance comes from: the operating system, seeded once per thread, or a seed that somebody kept.
#[derive(Clone, Debug, Default)]
pub struct Mint(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Mint {
    /// Chance that nobody can foresee.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Chance that repeats itself: the same draws in the same order come to the same. For a request that may have to
    /// be done again, and never for a secret.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::from_seed(seed)))))
    }

    /// The same from a number; for tests only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    fn bits<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the mint that the ban points to")]
            Source::System => rand::rng().fill_bytes(&mut bytes),
            Source::Seeded(rng) => rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes),
        }
        bytes
    }

    /// Bytes for a secret, straight from the operating system.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: no secret must be made then.
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

    /// A random UUID (version 4, RFC 9562).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bits()).into_uuid()
    }

    /// An id that sorts by the time it was made (UUIDv7, RFC 9562), so that new rows fall at the end of the index.
    #[must_use]
    pub fn session_id(&self, now: Timestamp) -> SessionId {
        let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        SessionId(uuid::Builder::from_unix_timestamp_millis(milliseconds, &self.bits()).into_uuid())
    }

    /// The same, under the version nibble 4: ElizaOS clients hold a session id against a pattern for UUIDv4, and a
    /// time-ordered one passes it while the index stays compact. 74 bits are random, as in a UUIDv7.
    #[must_use]
    pub fn session_id_v4(&self, now: Timestamp) -> SessionId {
        let mut bytes = self.session_id(now).0.into_bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        SessionId(Uuid::from_bytes(bytes))
    }

    /// 16 random bytes in lower-case hexadecimal.
    #[must_use]
    pub fn request_id(&self) -> String {
        Uuid::from_bytes(self.bits()).simple().to_string()
    }

    /// `digits` (at most 16) lower-case hexadecimal digits.
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

    #[test]
    fn hex_has_the_digits_asked_for() {
        let text = Mint::system().hex(4);
        assert_eq!(text.len(), 4);
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    }
}
