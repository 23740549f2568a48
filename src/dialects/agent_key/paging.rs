//! What lists are asked for, and what stands around their pages (docs/dialects/agent-key.md).

use serde::Serialize;
use utoipa::ToSchema;

use super::AgentKeyError;
use super::patch::invalid;
use crate::dialects::shared::boolean;
use crate::http::{QueryPairs, without_zero_fraction};

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 100;

/// How many are asked for: 1 to 100, 10 unless given.
pub(super) fn limit(query: &QueryPairs) -> Result<usize, AgentKeyError> {
    let Some(text) = query.first("limit").map(without_zero_fraction) else { return Ok(DEFAULT_LIMIT) };
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain
        .then(|| text.parse().ok())
        .flatten()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))
}

/// The page that is asked for, if it is not the first.
pub(super) fn page_key(query: &QueryPairs) -> Option<&str> {
    query.first("page_key").filter(|key| !key.is_empty())
}

/// A boolean in any spelling that the vendor's clients have.
pub(super) fn boolean(query: &QueryPairs, field: &'static str) -> Result<Option<bool>, AgentKeyError> {
    let Some(text) = query.first(field).filter(|text| !text.is_empty()) else { return Ok(None) };
    boolean::boolean(text).map(Some).ok_or_else(|| invalid(field, "must be true or false"))
}

/// Beside every list.
#[derive(Serialize, ToSchema)]
pub struct ListMetadata {
    /// Asks for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_key: Option<String>,
}

/// How long a scan for a metadata filter goes on. With the chunk that it is at, and one look into an index, a response
/// takes no longer than 300 ms.
pub(super) const METADATA_SCAN_TIME: std::time::Duration = std::time::Duration::from_millis(120);
/// How many are looked at in one go where a filter decides.
pub(super) const SCAN_CHUNK: usize = 500;
/// How long a filter may search for the rest of a page. One that finds too little in that time answers with what it
/// has,
/// and the page key goes on from there.
pub(super) const SCAN_TIME: std::time::Duration = std::time::Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_limit_is_an_integer_from_1_to_100(
            text in "[0-9]{0,4}|[0-9]{1,30}|[-+ .0-9a-z٣]{0,6}", zeros in "|[.]0{1,3}",
        ) {
            let written = format!("{text}{zeros}");
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("limit", &written).finish();
            let text = without_zero_fraction(&text);
            let fits = !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && text.trim_start_matches('0').len() <= 3
                && (1..=100).contains(&text.parse::<u128>().unwrap_or(u128::MAX));
            let read = limit(&QueryPairs::of(&query));
            prop_assert_eq!(read.ok(), fits.then(|| text.parse().unwrap()));
        }

        #[test]
        fn a_boolean_is_one_of_eight_words(text in "(?i)true|false|1|0|yes|no|on|off|[a-z0-9]{0,5}|.{1,5}") {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("enabled", &text).finish();
            let expected = match text.to_ascii_lowercase().as_str() {
                "" => Some(None),
                "true" | "1" | "yes" | "on" => Some(Some(true)),
                "false" | "0" | "no" | "off" => Some(Some(false)),
                _ => None,
            };
            prop_assert_eq!(boolean(&QueryPairs::of(&query), "enabled").ok(), expected);
        }
    }
}
