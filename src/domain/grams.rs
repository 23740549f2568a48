//! Grams for text search: hashes of consecutive characters.
//!
//! A text can contain another only if it has all of the other's grams. Every gram depends only on its two or three
//! characters, so a text has the same grams at every position. Grams are stored: their definition must not change.

/// Bits of a gram.
const BITS: u32 = 20;
/// Limit of the different grams of one event. An event with more has [`ANY`] instead, and every search compares it.
const MAX_GRAMS: usize = 16_384;
/// Limit of the grams of a search that are looked up. More would hardly narrow the result.
const MAX_LOOKED_UP: usize = 16;
/// Number of collected grams at which duplicates are removed.
const GATHERED: usize = 1 << 16;

/// The gram that matches every search.
pub const ANY: u32 = 0;

/// The grams of an event, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grams(Vec<u32>);

impl Grams {
    /// Returns the grams of an event with these searchable texts.
    #[must_use]
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let (mut grams, mut too_many) = (Vec::new(), false);
        for text in texts {
            each(text, |gram| {
                if too_many {
                    return;
                }
                grams.push(gram);
                if grams.len() >= GATHERED {
                    grams.sort_unstable();
                    grams.dedup();
                    too_many = grams.len() > MAX_GRAMS;
                }
            });
        }
        grams.sort_unstable();
        grams.dedup();
        if grams.len() > MAX_GRAMS {
            return Self::any();
        }
        Self(grams)
    }

    /// Returns the grams of an event of which it is not known what it says.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![ANY])
    }

    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }

    /// Returns its bytes in a queue.
    #[must_use]
    pub fn bytes(&self) -> usize {
        2 * self.0.len()
    }
}

/// Returns the grams by which a text is looked up, ascending; none if it is too short for one.
#[must_use]
pub fn looked_up(text: &str) -> Vec<u32> {
    let mut grams = Vec::new();
    each(text, |gram| grams.push(gram));
    // Neighbours overlap, so grams that are further apart are more selective.
    let step = grams.len().div_ceil(MAX_LOOKED_UP).max(1);
    let mut chosen: Vec<u32> = grams.iter().copied().step_by(step).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Calls `take` with each gram: two characters of a script without spaces between words, otherwise three characters.
fn each(text: &str, mut take: impl FnMut(u32)) {
    let mut window = [None; 3];
    let mut step = |next: Option<char>| {
        window = [window[1], window[2], next];
        match window {
            [Some(a), Some(b), _] if is_dense(a) && is_dense(b) => take(hash([a, b, '\0'])),
            [Some(a), Some(b), Some(c)] if !(is_dense(b) && is_dense(c)) => take(hash([a, b, c])),
            _ => {}
        }
    };
    text.chars().map(|c| Some(fold(c))).chain([None]).for_each(&mut step);
}

/// Returns whether a character has about as much information as a word or a syllable.
fn is_dense(c: char) -> bool {
    c >= '\u{2e80}'
}

/// Folds the case of a character, so that characters which a database considers equal in any case become the same.
fn fold(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut upper = c.to_uppercase();
    let upper = match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => c,
    };
    upper.to_lowercase().next().unwrap_or(c)
}

fn hash(characters: [char; 3]) -> u32 {
    let hash = characters.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, c| {
        (hash ^ u64::from(u32::from(c))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    });
    let gram = (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS)) as u32;
    if gram == ANY { 1 } else { gram }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cases_are_one_whatever_the_script() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let lower = c.to_lowercase().next().unwrap();
            assert_eq!(fold(c), fold(lower), "{c}");
        }
        assert_eq!((fold('İ'), fold('ς'), fold('\u{212a}')), ('i', 'σ', 'k'));
    }

    #[test]
    fn grams_are_what_they_were() {
        assert_eq!(looked_up("fn"), Vec::<u32>::new());
        assert_eq!(looked_up("退"), Vec::<u32>::new());
        assert_eq!(looked_up("退款").len(), 1);
        assert_eq!(looked_up("a退款b").len(), 1);
        // Grams are stored: with other values, indexed events would no longer be found.
        assert_eq!((looked_up("ABC"), looked_up("退款")), (vec![125955], vec![260140]));
    }

    #[test]
    fn an_event_of_too_many_is_found_by_every_search() {
        let text: String = (0..40_000u32).filter_map(|n| char::from_u32(0x4e00 + n * 7 % 20_000)).collect();
        assert_eq!(Grams::of([text.as_str()]), Grams(vec![ANY]));
        assert!(Grams::of(["x".repeat(2 << 20).as_str()]).as_slice().len() == 1);
    }

    proptest! {
        #[test]
        fn a_text_has_the_grams_of_its_parts(before in any::<String>(), part in "[a-dA-D 退款é]{0,12}", after in any::<String>()) {
            let grams = Grams::of(["other", &format!("{before}{part}{after}")]);
            for gram in looked_up(&part.to_uppercase()) {
                prop_assert!(grams.as_slice().binary_search(&gram).is_ok());
            }
        }
    }
}
