//! Generates keys: `ase_<slug>_<hexadecimal digits>` for sessions, `agt_…` for agents (docs/dialects/agent-key.md).

use std::str::FromStr;

use crate::domain::Mint;

/// Random digits of the first key, and of the next ones if the first is taken.
const DIGITS: [usize; 3] = [4, 8, 12];

const LONGEST_KEY: usize = 50;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Agent,
    Session,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "agt_",
            Self::Session => "ase_",
        }
    }

    /// Returns the slug of names without a letter or digit of ASCII.
    fn slug_of_other_scripts(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Session => "session",
        }
    }
}

/// Returns the keys to try for a name, in order. Each resembles the name and has more random digits than the one
/// before.
pub(super) fn candidates<K: FromStr>(kind: Kind, name: &str, mint: &Mint) -> Vec<K> {
    DIGITS.iter().filter_map(|digits| generate(kind, name, *digits, mint)).collect()
}

fn generate<K: FromStr>(kind: Kind, name: &str, digits: usize, mint: &Mint) -> Option<K> {
    let mut slug = slug(name);
    if slug.is_empty() {
        slug = kind.slug_of_other_scripts().to_owned();
    }
    slug.truncate(LONGEST_KEY - kind.prefix().len() - 1 - digits);
    let slug = slug.trim_end_matches('_');
    format!("{}{slug}_{}", kind.prefix(), mint.hex(digits)).parse().ok()
}

/// Returns the name in lower case. Each run of characters other than `0-9`, `a-z` and `-` becomes one `_`, except at
/// either end.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() || c == '-' {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SessionKey;
    use proptest::prelude::*;

    #[test]
    fn slugs_are_those_seen_in_the_field() {
        for (name, seen) in [
            ("Technical Support Chat 20260528-151501", "technical_support_chat_20260528-151501"),
            ("Weather Assistant (broken endpoint)", "weather_assistant_broken_endpoint"),
            ("Contract Triage Q&A 20260528-152318", "contract_triage_q_a_20260528-152318"),
            ("Tool Demo Session", "tool_demo_session"),
            ("客户支持", ""),
            ("  Größe! ", "gr_e"),
        ] {
            assert_eq!(slug(name), seen);
        }
    }

    proptest! {
        #[test]
        fn every_name_has_a_key(name in ".{0,120}", seed: u64) {
            for (kind, prefix) in [(Kind::Agent, "agt_"), (Kind::Session, "ase_")] {
                let keys: Vec<SessionKey> = candidates(kind, &name, &Mint::seeded(seed));
                prop_assert_eq!(keys.len(), DIGITS.len());
                for (key, digits) in keys.iter().zip(DIGITS) {
                    prop_assert!(key.as_str().len() <= LONGEST_KEY);
                    prop_assert!(key.as_str().starts_with(prefix));
                    prop_assert!(!key.as_str().contains("__"));
                    let (_, hex) = key.as_str().rsplit_once('_').unwrap();
                    prop_assert!(hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
                }
            }
        }
    }
}
