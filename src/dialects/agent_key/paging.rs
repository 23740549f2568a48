//! The query parameters of lists, and the metadata of their pages (docs/dialects/agent-key.md).

use serde::Serialize;
use utoipa::ToSchema;

use super::AgentKeyError;
use super::patch::invalid;
use crate::dialects::shared::boolean;
use crate::http::{QueryPairs, without_zero_fraction};

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 100;

/// Returns the `limit` of a list: 1 to 100, by default 10.
///
/// # Errors
/// [`AgentKeyError::InvalidField`] (400) for any other value.
pub(super) fn limit(query: &QueryPairs) -> Result<usize, AgentKeyError> {
    let Some(text) = query.first("limit").map(without_zero_fraction) else { return Ok(DEFAULT_LIMIT) };
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    plain
        .then(|| text.parse().ok())
        .flatten()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| invalid("limit", "must be an integer from 1 to 100"))
}

/// Returns the `page_key`, or `None` for the first page.
pub(super) fn page_key(query: &QueryPairs) -> Option<&str> {
    query.first("page_key").filter(|key| !key.is_empty())
}

/// Returns a boolean in any spelling that the vendor's clients use, or `None` if it is absent or empty.
///
/// # Errors
/// [`AgentKeyError::InvalidField`] (400) for any other text.
pub(super) fn boolean(query: &QueryPairs, field: &'static str) -> Result<Option<bool>, AgentKeyError> {
    let Some(text) = query.first(field).filter(|text| !text.is_empty()) else { return Ok(None) };
    boolean::boolean(text).map(Some).ok_or_else(|| invalid(field, "must be true or false"))
}

/// The metadata of a page of a list.
#[derive(Serialize, ToSchema)]
pub struct ListMetadata {
    /// The key of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_key: Option<String>,
}

/// How long a scan for a metadata filter begins new chunks. Together with one look into an index of up to 100 ms, which
/// may begin at the end of this time, and the chunks before and after it, a response takes no longer than 300 ms.
pub(super) const METADATA_SCAN_TIME: std::time::Duration = std::time::Duration::from_millis(80);
/// Rows that a filter searches at once.
pub(super) const SCAN_CHUNK: usize = 500;
/// How long a filter may search for more rows of a page. After this time the page is returned as it is, and its page
/// key continues the search.
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
            let text = without_zero_fraction(&written);
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
