//! UUIDs in lower-case Crockford base 32: 26 characters, in the order of the UUIDs, one spelling each.

use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of a UUID.
pub(super) const DIGITS: usize = 26;

/// Returns `prefix` followed by the encoded UUID.
pub(super) fn spell(prefix: &str, id: Uuid) -> String {
    let mut text = String::with_capacity(prefix.len() + DIGITS);
    text.push_str(prefix);
    let bits = id.as_u128();
    // 26 characters of 5 bits have 130 bits: the two extra bits of the first are zero.
    for index in (0..DIGITS).rev() {
        text.push(char::from(ALPHABET[(bits >> (index * 5)) as usize & 31]));
    }
    text
}

/// Decodes a UUID that [`spell`] has encoded, without the prefix.
pub(super) fn read(digits: &str) -> Option<Uuid> {
    if digits.len() != DIGITS {
        return None;
    }
    let mut bits = 0u128;
    for (index, digit) in digits.bytes().enumerate() {
        let value = ALPHABET.iter().position(|&c| c == digit)?;
        if index == 0 && value > 7 {
            return None;
        }
        bits = bits << 5 | value as u128;
    }
    Some(Uuid::from_u128(bits))
}
