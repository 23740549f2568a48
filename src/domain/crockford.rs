//! UUIDs in lower-case Crockford base 32: 26 characters, in the order of the UUIDs, one spelling each.

use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of a UUID.
pub(super) const DIGITS: usize = 26;

/// `prefix` and a UUID.
pub(super) fn spell(prefix: &str, id: Uuid) -> String {
    let mut text = String::with_capacity(prefix.len() + DIGITS);
    text.push_str(prefix);
    let bits = id.as_u128();
    // 26 characters of 5 bits hold 130: the first has the two missing bits as zeros.
    for place in (0..DIGITS).rev() {
        text.push(char::from(ALPHABET[(bits >> (place * 5)) as usize & 31]));
    }
    text
}

/// The inverse of [`spell`], without its prefix.
pub(super) fn read(digits: &str) -> Option<Uuid> {
    if digits.len() != DIGITS {
        return None;
    }
    let mut bits = 0u128;
    for (place, digit) in digits.bytes().enumerate() {
        let value = ALPHABET.iter().position(|&c| c == digit)?;
        if place == 0 && value > 7 {
            return None;
        }
        bits = bits << 5 | value as u128;
    }
    Some(Uuid::from_u128(bits))
}
