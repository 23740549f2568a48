//! `QueryFilters`: the filters of all reads of the dashboard (docs/dialects/agnost.md).

use axum::extract::Request;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::AgnostError;
use crate::domain::{JsonField, JsonText, Timestamp};
use crate::http::{json_bytes, parse_object};
use crate::store::{COUNT_LIMIT, CaptureFilter, Cursor, Grain, PageLimit};

const PAGE_SIZE: i64 = 20;
const MAX_PER_PAGE: i64 = 1_000;
/// Values of one filter.
const MAX_VALUES: usize = 100;
/// Filters by a member of the metadata.
const MAX_METADATA: usize = 32;
/// Bytes of a text in a filter.
const SEARCH_LIMIT: usize = 1_000;

/// Filters of events or conversations. All members are optional, and so is the body.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct QueryFilters {
    /// `1min`, `1h`, `1d`, `1w` (the default), `1m` (30 days) or `all`, counted back from now.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1w")]
    time_range: JsonField,
    /// One or several values, at most 100.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    connection_type: JsonField,
    /// One or several values of the `primitive_name` of an event, at most 100.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    agent_name: JsonField,
    /// One or several values, at most 100.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>)]
    client_config: JsonField,
    /// Members that the metadata must have, at most 32, each `{"key": …, "value": …}`. Values are compared as texts.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    metadata_filters: JsonField,
    /// A text that the name, the input or the output contains.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    search: JsonField,
    /// From 1. Pages reach up to 10,000 rows; `cursor` continues beyond.
    #[serde(default)]
    #[schema(value_type = Option<i64>, example = 1)]
    page: JsonField,
    /// 1 to 1,000; by default 20.
    #[serde(default)]
    #[schema(value_type = Option<i64>, example = 20)]
    page_size: JsonField,
    /// The `next_cursor` of the previous page; only with page 1.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    cursor: JsonField,
    /// Only for `spotlight-search`, where it is required.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    query: JsonField,
}

/// The time range of a read, counted back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRange {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    All,
}

impl TimeRange {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "1min" => Self::Minute,
            "1h" => Self::Hour,
            "1d" => Self::Day,
            "1w" => Self::Week,
            "1m" => Self::Month,
            "all" => Self::All,
            _ => return None,
        })
    }

    fn since(self, now: Timestamp) -> Timestamp {
        now - match self {
            Self::Minute => TimeDelta::minutes(1),
            Self::Hour => TimeDelta::hours(1),
            Self::Day => TimeDelta::days(1),
            Self::Week => TimeDelta::days(7),
            Self::Month => TimeDelta::days(30),
            Self::All => return Timestamp::UNIX_EPOCH,
        }
    }

    /// Returns the length of time of each point of a series.
    pub fn grain(self) -> Grain {
        match self {
            Self::Minute => Grain::Second,
            Self::Hour => Grain::Minute,
            Self::Day | Self::Week => Grain::Hour,
            Self::Month | Self::All => Grain::Day,
        }
    }
}

/// The validated filters of a request.
#[derive(Debug)]
pub struct Asked {
    pub range: TimeRange,
    pub filter: CaptureFilter,
    pub page: i64,
    pub page_size: i64,
    pub cursor: Option<Cursor>,
    /// The text of `spotlight-search`; `None` if absent.
    pub query: Option<String>,
}

impl Asked {
    /// Reads the body of a request that arrived at `now`.
    ///
    /// # Errors
    /// [`AgnostError::Invalid`] if a filter is not valid, or the rejection of a body that cannot be read.
    pub async fn read(request: Request, now: Timestamp) -> Result<Self, AgnostError> {
        let bytes = json_bytes(request).await?;
        let filters: QueryFilters = if bytes.is_empty() { QueryFilters::default() } else { parse_object(&bytes)? };
        filters.validate(now)
    }

    /// Returns the limit of the requested page.
    pub fn limit(&self) -> PageLimit {
        PageLimit::rows(self.page_size).skipping((self.page - 1) * self.page_size)
    }
}

impl QueryFilters {
    fn validate(&self, now: Timestamp) -> Result<Asked, AgnostError> {
        let range = match &self.time_range {
            JsonField::Absent | JsonField::Null => TimeRange::Week,
            given => given
                .as_str()
                .and_then(TimeRange::read)
                .ok_or(AgnostError::Invalid("time_range must be 1min, 1h, 1d, 1w, 1m or all"))?,
        };
        let page = integer(&self.page, 1).ok_or(AgnostError::Invalid("page must be an integer from 1"))?;
        let page_size = integer(&self.page_size, PAGE_SIZE)
            .filter(|size| *size <= MAX_PER_PAGE)
            .ok_or(AgnostError::Invalid("page_size must be an integer from 1 to 1000"))?;
        if page.saturating_mul(page_size) > COUNT_LIMIT.max(page_size) {
            return Err(AgnostError::Invalid("pages reach up to 10000 rows; continue with cursor"));
        }
        let cursor =
            match &self.cursor {
                JsonField::Absent | JsonField::Null => None,
                given => Some(given.as_str().and_then(cursor_of).filter(|_| page == 1).ok_or(AgnostError::Invalid(
                    "cursor must be the next_cursor of an earlier page, and needs page 1",
                ))?),
            };
        let filter = CaptureFilter {
            since: range.since(now),
            names: texts(&self.agent_name)
                .ok_or(AgnostError::Invalid("agent_name must be a string or an array of at most 100 strings of at most 1000 bytes"))?,
            connection_types: texts(&self.connection_type)
                .ok_or(AgnostError::Invalid("connection_type must be a string or an array of at most 100 strings of at most 1000 bytes"))?,
            client_configs: texts(&self.client_config)
                .ok_or(AgnostError::Invalid("client_config must be a string or an array of at most 100 strings of at most 1000 bytes"))?,
            metadata: metadata(&self.metadata_filters).ok_or(AgnostError::Invalid(
                "metadata_filters must be an array of at most 32 objects with key and value, of at most 1000 bytes each",
            ))?,
            search: text(&self.search, "search must be a string of at most 1000 bytes")?,
        };
        let query = text(&self.query, "query must be a string of at most 1000 bytes")?;
        Ok(Asked { range, filter, page, page_size, cursor, query })
    }
}

/// Returns a positive integer, or the default if it is absent. Returns `None` for any other value.
fn integer(given: &JsonField, default: i64) -> Option<i64> {
    match given {
        JsonField::Absent | JsonField::Null => Some(default),
        given => given.as_i64().filter(|number| *number >= 1),
    }
}

/// Returns a text; an absent one and an empty one are both `Some(None)`. Returns `None` for any other value.
fn text(given: &JsonField, fault: &'static str) -> Result<Option<String>, AgnostError> {
    match given {
        JsonField::Absent | JsonField::Null => Ok(None),
        JsonField::String(text) if text.len() <= SEARCH_LIMIT => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err(AgnostError::Invalid(fault)),
    }
}

/// Returns one text or several. Returns `None` for any other value, or if a limit is exceeded.
fn texts(given: &JsonField) -> Option<Vec<String>> {
    let texts = match given {
        JsonField::Absent | JsonField::Null => Vec::new(),
        JsonField::String(text) => vec![text.clone()],
        JsonField::Array(texts) => texts.read::<Vec<String>>().ok()?,
        _ => return None,
    };
    (texts.len() <= MAX_VALUES && texts.iter().all(|text| text.len() <= SEARCH_LIMIT)).then_some(texts)
}

fn metadata(given: &JsonField) -> Option<Vec<(String, String)>> {
    #[derive(Deserialize)]
    struct Filter {
        key: String,
        value: JsonText,
    }
    let filters = match given {
        JsonField::Absent | JsonField::Null => Vec::new(),
        JsonField::Array(filters) => filters.read::<Vec<Filter>>().ok()?,
        _ => return None,
    };
    let is_short = |filter: &Filter| filter.key.len() <= SEARCH_LIMIT && filter.value.as_str().len() <= SEARCH_LIMIT;
    if filters.len() > MAX_METADATA || !filters.iter().all(is_short) {
        return None;
    }
    // Postgres compares the text of a string, and the JSON of any other value.
    let filters = filters.into_iter().map(|filter| {
        let value = filter.value.read::<String>().unwrap_or_else(|_| filter.value.as_str().to_owned());
        (filter.key, value)
    });
    Some(filters.collect())
}

/// The written form of a cursor: milliseconds, an underscore, a UUID.
#[derive(Clone, Copy, Debug)]
pub struct CursorText(pub Cursor);

impl Serialize for CursorText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}_{}", self.0.at.timestamp_millis(), self.0.id))
    }
}

fn cursor_of(text: &str) -> Option<Cursor> {
    let (milliseconds, id) = text.split_once('_')?;
    let at = super::super::contract::moment_at(milliseconds.parse().ok()?)?;
    Some(Cursor { at, id: Uuid::try_parse(id).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn validated(body: &str) -> Result<Asked, AgnostError> {
        serde_json::from_str::<QueryFilters>(body).unwrap().validate(Timestamp::UNIX_EPOCH + TimeDelta::days(100))
    }

    #[test]
    fn the_default_is_the_last_week() {
        let asked = validated("{}").unwrap();
        assert_eq!(asked.range, TimeRange::Week);
        assert_eq!(asked.filter.since, Timestamp::UNIX_EPOCH + TimeDelta::days(93));
        assert_eq!((asked.page, asked.page_size, asked.limit().skip), (1, 20, 0));
    }

    #[test]
    fn filters_of_wrong_kinds_are_named() {
        for (body, member) in [
            (r#"{"time_range":"1y"}"#, "time_range"),
            (r#"{"time_range":{"start":1}}"#, "time_range"),
            (r#"{"page":0}"#, "page"),
            (r#"{"page":"1"}"#, "page"),
            (r#"{"page":1.5}"#, "page"),
            (r#"{"page_size":1001}"#, "page_size"),
            (r#"{"page_size":-1}"#, "page_size"),
            (r#"{"page":9223372036854775807,"page_size":1000}"#, "pages"),
            (r#"{"page":501,"page_size":20}"#, "pages"),
            (r#"{"connection_type":5}"#, "connection_type"),
            (r#"{"agent_name":[1]}"#, "agent_name"),
            (r#"{"metadata_filters":{"key":"a","value":"b"}}"#, "metadata_filters"),
            (r#"{"metadata_filters":[{"key":"a"}]}"#, "metadata_filters"),
            (r#"{"metadata_filters":[{"key":1,"value":"b"}]}"#, "metadata_filters"),
            (r#"{"search":1}"#, "search"),
            (&format!(r#"{{"agent_name":[{}]}}"#, vec![r#""a""#; 101].join(",")), "agent_name"),
            (&format!(r#"{{"client_config":"{}"}}"#, "a".repeat(1_001)), "client_config"),
            (
                &format!(r#"{{"metadata_filters":[{}]}}"#, vec![r#"{"key":"a","value":"b"}"#; 33].join(",")),
                "metadata_filters",
            ),
            (&format!(r#"{{"metadata_filters":[{{"key":"{}","value":1}}]}}"#, "a".repeat(1_001)), "metadata_filters"),
            (r#"{"query":[]}"#, "query"),
            (r#"{"cursor":"x"}"#, "cursor"),
            (r#"{"cursor":"1_00000000-0000-0000-0000-000000000000","page":2}"#, "cursor"),
        ] {
            match validated(body) {
                Err(AgnostError::Invalid(why)) => assert!(why.starts_with(member), "{body}: {why}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn a_cursor_leads_back(ms in 0i64..253_402_300_799_999, id: u128) {
            let cursor = Cursor { at: Timestamp::from_timestamp_millis(ms).unwrap(), id: Uuid::from_u128(id) };
            let text: String = serde_json::from_value(serde_json::to_value(CursorText(cursor)).unwrap()).unwrap();
            prop_assert_eq!(cursor_of(&text), Some(cursor));
        }
    }
}
