//! Filters for captured events.

use uuid::Uuid;

use super::{COMPARED_LIMIT, OPENED_LIMIT, SCAN_LIMIT};
use crate::domain::Timestamp;
use crate::store::keyset;

/// Events at or after a moment that match every condition that is set. An empty list is no condition.
#[derive(Clone, Debug)]
pub struct CaptureFilter {
    pub since: Timestamp,
    /// The names of agents or tools.
    pub names: Vec<String>,
    pub connection_types: Vec<String>,
    pub client_configs: Vec<String>,
    /// Members of an event's metadata and their required values.
    pub metadata: Vec<(String, String)>,
    /// A text that the event's name, input or output contains, ignoring case.
    pub search: Option<String>,
}

/// A cursor: the last row of the page before, in the order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// Returns the row that a page begins after, or a value newer than every row. Both parameters always have a value,
    /// because Postgres would otherwise read everything before the cursor ([`keyset`]).
    pub(super) fn or_newest(cursor: Option<Self>) -> (Timestamp, Uuid) {
        keyset::or_latest(cursor.map(|cursor| (cursor.at, cursor.id)))
    }
}

impl CaptureFilter {
    /// Returns whether the totals are enough for the filter. They have kinds and names only.
    #[must_use]
    pub fn is_by_name_only(&self) -> bool {
        self.connection_types.is_empty()
            && self.client_configs.is_empty()
            && self.metadata.is_empty()
            && self.search.is_none()
    }

    /// Returns whether every event of the window matches.
    pub(super) fn has_no_conditions(&self) -> bool {
        self.names.is_empty() && self.is_by_name_only()
    }

    pub(super) fn metadata_keys(&self) -> Vec<String> {
        self.metadata.iter().map(|(key, _)| key.clone()).collect()
    }

    /// Returns whether the filter needs the payloads of events.
    #[must_use]
    pub fn opens_events(&self) -> bool {
        self.search.is_some() || !self.metadata.is_empty()
    }

    /// Returns how many rows of a window a scan for the filter reads. What a row costs depends on what is read of it.
    pub(super) fn scan_limit(&self) -> i64 {
        if self.search.is_some() {
            COMPARED_LIMIT
        } else if self.metadata.is_empty() {
            SCAN_LIMIT
        } else {
            OPENED_LIMIT
        }
    }

    pub(super) fn metadata_values(&self) -> Vec<String> {
        self.metadata.iter().map(|(_, value)| value.clone()).collect()
    }

    /// Returns the texts to search for: the text itself, and the text as JSON in plain ASCII.
    pub(super) fn searched_texts(&self) -> Option<Vec<String>> {
        self.search.as_deref().map(spellings)
    }

    /// Returns the texts to search for as patterns of `ILIKE`.
    pub(super) fn patterns(&self) -> Vec<String> {
        self.searched_texts().unwrap_or_default().iter().map(|text| pattern(text)).collect()
    }
}

/// Returns patterns of `ILIKE` that find a text as it is, and as JSON in plain ASCII has it.
pub fn search_patterns(text: &str) -> Vec<String> {
    spellings(text).iter().map(|text| pattern(text)).collect()
}

fn spellings(text: &str) -> Vec<String> {
    let mut texts = vec![text.to_owned(), ascii_json(text)];
    texts.dedup();
    texts
}

fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Returns a text as Python's `json.dumps` writes it, without the quotes.
fn ascii_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut ascii = String::new();
    for c in quoted[1..quoted.len() - 1].chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_for_as_it_is_and_as_json_writes_it() {
        assert_eq!(pattern("50%_a\\"), "%50\\%\\_a\\\\%");
        assert_eq!(ascii_json("é\"😀"), "\\u00e9\\\"\\ud83d\\ude00");
    }
}

/// Which events a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogKind {
    All,
    /// Those that failed.
    Errors,
}

impl LogKind {
    pub(super) fn is_errors(self) -> bool {
        self == Self::Errors
    }
}
