//! Reads the query parameters of lists.

use crate::dialects::integer_id::IntegerIdError;
use crate::dialects::shared::cursor;
use crate::domain::session::State;
use crate::domain::{AgentNumber, SessionId};
use crate::http::{QueryPairs, without_zero_fraction};
use crate::store::SessionCursor;

/// The agent whose sessions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AgentFilter {
    Any,
    One(AgentNumber),
    /// An integer that no agent can have.
    Unknown,
}

pub(super) fn agent_id(pairs: &QueryPairs) -> Result<AgentFilter, IntegerIdError> {
    match given(pairs, "agent_id").map(without_zero_fraction) {
        None => Ok(AgentFilter::Any),
        Some(text) if is_integer(text) => Ok(text.parse().map_or(AgentFilter::Unknown, AgentFilter::One)),
        Some(_) => Err(IntegerIdError::Invalid("agent_id must be an integer")),
    }
}

/// Returns the status. Any other word means all, as in the vendor's later pages.
pub(super) fn status(pairs: &QueryPairs) -> Option<State> {
    match pairs.first("status") {
        Some("active") => Some(State::Open),
        Some("completed") => Some(State::Ended),
        _ => None,
    }
}

pub(super) fn cursor(pairs: &QueryPairs) -> Result<Option<SessionCursor>, IntegerIdError> {
    let Some(text) = given(pairs, "cursor") else { return Ok(None) };
    let (at, id) = cursor::read(text).ok_or(IntegerIdError::Invalid("Invalid cursor"))?;
    Ok(Some((at, SessionId(id))))
}

pub(super) fn given<'q>(pairs: &'q QueryPairs, name: &str) -> Option<&'q str> {
    pairs.first(name).filter(|text| !text.is_empty())
}

/// Returns whether a text is an integer of any size, without superfluous characters.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (digits == "0" || !digits.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_have_one_spelling() {
        for integer in ["0", "1", "-1", "9007199254740993", "99999999999999999999999"] {
            assert!(is_integer(integer), "{integer}");
        }
        for other in ["", "-", "007", "1e3", "1.0", "+1", "0x1", " 1", "١", "--1"] {
            assert!(!is_integer(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn an_integer_is_what_is_written_as_one(text in "-?[0-9]{1,25}|[-+]?[0-9.e ]{0,8}|.{0,8}") {
            let written = text.parse::<i128>().is_ok_and(|number| number.to_string() == text) || text == "-0";
            prop_assert_eq!(is_integer(&text), written, "{}", text);
        }

        #[test]
        fn an_agent_is_named_by_an_integer(text in "-?[0-9]{1,25}([.]0)?|.{0,8}") {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("agent_id", &text).finish();
            let text = without_zero_fraction(&text);
            match agent_id(&QueryPairs::of(&query)) {
                Ok(AgentFilter::Any) => prop_assert!(text.is_empty()),
                Ok(AgentFilter::One(number)) => prop_assert_eq!(number.to_string(), text),
                Ok(AgentFilter::Unknown) => prop_assert!(is_integer(text)),
                Err(_) => prop_assert!(!is_integer(text)),
            }
        }
    }
}
