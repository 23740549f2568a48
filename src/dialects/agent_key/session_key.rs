//! Session keys that the service makes up: `ase_<slug>_<hexadecimal digits>` (apis/agent_key, section 4).

use crate::domain::{Mint, SessionKey};

/// Digits of the first key tried, and of those after it, should each be taken.
pub(super) const DIGITS: [usize; 3] = [4, 8, 12];

const PREFIX: &str = "ase_";
const LONGEST_KEY: usize = 50;
/// For names that have no letter or digit of the Latin alphabet.
const SLUG_OF_OTHER_SCRIPTS: &str = "session";

/// A key that reads like the session's name, with so many random hexadecimal digits.
pub(super) fn generate(name: &str, digits: usize, mint: &Mint) -> Option<SessionKey> {
    let mut slug = slug(name);
    slug.truncate(LONGEST_KEY - PREFIX.len() - 1 - digits);
    let slug = slug.trim_end_matches('_');
    format!("{PREFIX}{slug}_{}", mint.hex(digits)).parse().ok()
}

/// Lower case; every run of other characters than `0-9`, `a-z` and `-` becomes one `_`, none at either end.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() || c == '-' {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    let trimmed = slug.trim_end_matches('_');
    if trimmed.is_empty() { SLUG_OF_OTHER_SCRIPTS.to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slugs_are_those_seen_in_the_field() {
        for (name, seen) in [
            ("Technical Support Chat 20260528-151501", "technical_support_chat_20260528-151501"),
            ("Weather Assistant (broken endpoint)", "weather_assistant_broken_endpoint"),
            ("Contract Triage Q&A 20260528-152318", "contract_triage_q_a_20260528-152318"),
            ("Tool Demo Session", "tool_demo_session"),
            ("客户支持", "session"),
            ("  Größe! ", "gr_e"),
        ] {
            assert_eq!(slug(name), seen);
        }
    }

    proptest! {
        #[test]
        fn every_name_has_a_key(name in ".{0,120}", seed: u64) {
            for digits in DIGITS {
                let key = generate(&name, digits, &Mint::seeded(seed)).expect("a key");
                prop_assert!(key.as_str().len() <= LONGEST_KEY);
                prop_assert!(key.as_str().starts_with(PREFIX));
                prop_assert!(!key.as_str().contains("__"));
            }
        }
    }
}
