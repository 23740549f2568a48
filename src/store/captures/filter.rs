//! Which captured events are meant.

use uuid::Uuid;

use crate::domain::Timestamp;
use crate::store::keyset;

/// Events at or after a moment that fulfil every condition that is set. An empty list is no condition.
#[derive(Clone, Debug)]
pub struct CaptureFilter {
    pub since: Timestamp,
    /// What spoke or was called.
    pub names: Vec<String>,
    pub connection_types: Vec<String>,
    pub client_configs: Vec<String>,
    /// Members of an event's metadata, and the texts that they must have.
    pub metadata: Vec<(String, String)>,
    /// A text that the event's name, input or output contains, in any case.
    pub search: Option<String>,
}

/// Behind this row, in the order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub id: Uuid,
}

impl Cursor {
    /// Returns the row that a page begins behind, or what is newer than every row. Both always have a value, because Postgres
    /// would otherwise read everything before the cursor ([`keyset`]).
    pub(super) fn or_newest(cursor: Option<Self>) -> (Timestamp, Uuid) {
        keyset::or_latest(cursor.map(|cursor| (cursor.at, cursor.id)))
    }
}

impl CaptureFilter {
    /// Whether the totals can tell: they know kinds and names and nothing else.
    #[must_use]
    pub fn is_by_name_only(&self) -> bool {
        self.connection_types.is_empty()
            && self.client_configs.is_empty()
            && self.metadata.is_empty()
            && self.search.is_none()
    }

    /// Returns whether every event of the window is meant.
    pub(super) fn has_no_conditions(&self) -> bool {
        self.names.is_empty() && self.is_by_name_only()
    }

    pub(super) fn metadata_keys(&self) -> Vec<String> {
        self.metadata.iter().map(|(key, _)| key.clone()).collect()
    }

    /// Whether what was said has to be opened to tell which events are meant.
    #[must_use]
    pub fn opens_events(&self) -> bool {
        self.search.is_some() || !self.metadata.is_empty()
    }

    pub(super) fn metadata_values(&self) -> Vec<String> {
        self.metadata.iter().map(|(_, value)| value.clone()).collect()
    }

    /// Returns the texts one of which is searched: the search as it is read, and as JSON in plain ASCII writes it.
    pub(super) fn searched_texts(&self) -> Option<Vec<String>> {
        let text = self.search.as_ref()?;
        let mut texts = vec![text.clone(), ascii_json(text)];
        texts.dedup();
        Some(texts)
    }

    /// Returns the same as patterns of `ILIKE`.
    pub(super) fn patterns(&self) -> Vec<String> {
        self.searched_texts().unwrap_or_default().iter().map(|text| pattern(text)).collect()
    }
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

/// How Python's `json.dumps` writes a text, without the quotes.
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
