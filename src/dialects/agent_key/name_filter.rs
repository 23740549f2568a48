//! `filter`: a regular expression over names and descriptions (apis/agent_key, section 5).
//!
//! The expressions are those of the `regex` crate, which knows no backtracking: they match in time linear in the text.
//! They are found anywhere in it. What they cost is bounded once more by the list that applies them.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::AgentKeyError;
use super::patch::invalid;
use crate::http::QueryPairs;

/// Characters.
const LONGEST: usize = 1_000;
/// Bytes of a compiled expression, and of what its matching may remember.
const COMPILED_LIMIT: usize = 1 << 20;
const DEEPEST: u32 = 50;

#[derive(Clone)]
pub(super) struct NameFilter(Arc<Regex>);

impl NameFilter {
    /// # Errors
    /// 400 for what is no regular expression, or too much of one.
    pub(super) fn of(query: &QueryPairs) -> Result<Option<Self>, AgentKeyError> {
        query.first("filter").filter(|filter| !filter.is_empty()).map(Self::read).transpose()
    }

    fn read(text: &str) -> Result<Self, AgentKeyError> {
        if text.chars().count() > LONGEST {
            return Err(invalid("filter", format!("must not exceed {LONGEST} characters")));
        }
        RegexBuilder::new(text)
            .size_limit(COMPILED_LIMIT)
            .dfa_size_limit(COMPILED_LIMIT)
            .nest_limit(DEEPEST)
            .build()
            .map(|regex| Self(Arc::new(regex)))
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => invalid("filter", "is too large a regular expression"),
                _ => invalid("filter", "is no regular expression that can be matched in linear time"),
            })
    }

    pub(super) fn lets_through(&self, name: &str, description: Option<&str>) -> bool {
        self.0.is_match(name) || description.is_some_and(|description| self.0.is_match(description))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn expressions_are_found_anywhere_in_name_or_description() {
        let matches = |filter: &str, name: &str| NameFilter::read(filter).unwrap().lets_through(name, Some("Größe 7"));
        assert!(matches("^Sup", "Support"));
        assert!(matches("(?i)SUPPORT", "Support"));
        assert!(matches("öß", "x"));
        assert!(!matches("^öß", "x"));
        assert!(matches(".*", ""));
    }

    #[test]
    fn what_would_explode_is_refused_or_harmless() {
        for refused in ["(", "a{1,100}{1,100}{1,100}{1,100}", "(?=a)", r"(a)\1", &"(".repeat(500), &"a".repeat(1_001)] {
            assert!(NameFilter::read(refused).is_err(), "{refused}");
        }
        let bomb = NameFilter::read("^(a+)+$").unwrap();
        assert!(!bomb.lets_through(&format!("{}!", "a".repeat(100_000)), None));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,60}") {
            let _ = NameFilter::read(&text);
        }
    }
}
