//! `filter`: a regular expression over names and descriptions.
//!
//! The expressions are those of the `regex` crate, which does not backtrack, so that matching takes time linear in the
//! text. An expression matches anywhere in the text. Its cost is limited by its compiled size, by the length of the
//! text, and by the time of the [`Scan`] that applies it.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::AgentKeyError;
use super::page_key::PageCursor;
use super::patch::invalid;
use crate::domain::OrgId;
use crate::http::{CostlyWork, QueryPairs, Scan, Watch};
use crate::store::{AgentHeading, Heading};

/// Characters of an expression.
const LENGTH_LIMIT: usize = 1_000;
/// Bytes of a compiled expression, and of the cache of its matcher.
const COMPILED_LIMIT: usize = 64 * 1024;
const NESTING_LIMIT: u32 = 50;

/// The texts that a filter searches. The store returns the first 1,000 characters of a long text.
pub(super) trait Named: Send + 'static {
    fn name(&self) -> &str;
    fn description(&self) -> Option<&str>;
    fn cursor(&self) -> PageCursor;
}

impl Named for Heading {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    fn cursor(&self) -> PageCursor {
        PageCursor { at: self.created_at, id: self.id.0 }
    }
}

impl Named for AgentHeading {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    fn cursor(&self) -> PageCursor {
        PageCursor { at: self.created_at, id: self.id.0 }
    }
}

/// The expression of a request, and the scan that applies it.
pub(super) struct NameFilter {
    regex: Arc<Regex>,
    scan: Scan,
}

/// The rows that match a filter.
pub(super) struct Narrowed<T> {
    pub rows: Vec<T>,
    /// The cursor of the last row that was searched.
    pub reached: Option<PageCursor>,
    /// Whether the scan's time ended before the last row.
    pub is_over: bool,
}

impl NameFilter {
    /// Compiles the expression of a request. Returns `None` without one.
    ///
    /// # Errors
    /// - [`AgentKeyError::InvalidField`] (400) if the text is not a regular expression, or is too large.
    /// - 429 if the organization has reached its limit of scans.
    pub(super) async fn of(query: &QueryPairs, costly: &CostlyWork, org: OrgId) -> Result<Option<Self>, AgentKeyError> {
        let Some(text) = query.first("filter").filter(|filter| !filter.is_empty()) else { return Ok(None) };
        if text.chars().nth(LENGTH_LIMIT).is_some() {
            return Err(invalid("filter", format!("must not exceed {LENGTH_LIMIT} characters")));
        }
        let mut scan = costly.scan(org)?;
        let text = text.to_owned();
        let regex = scan.run(move |_| compile(&text)).await??;
        Ok(Some(Self { regex: Arc::new(regex), scan }))
    }

    /// Searches the rows in order until the scan's time ends. It searches at least the first row, so that a client that
    /// continues from there reaches the end.
    ///
    /// # Errors
    /// 429 if every thread stays busy.
    pub(super) async fn narrow<T: Named>(&mut self, rows: Vec<T>) -> Result<Narrowed<T>, AgentKeyError> {
        let regex = Arc::clone(&self.regex);
        Ok(self.scan.run(move |watch| narrow(&regex, rows, watch)).await?)
    }
}

fn compile(text: &str) -> Result<Regex, AgentKeyError> {
    RegexBuilder::new(text)
        .size_limit(COMPILED_LIMIT)
        .dfa_size_limit(COMPILED_LIMIT)
        .nest_limit(NESTING_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => invalid("filter", "is too large a regular expression"),
            _ => invalid("filter", "is no regular expression that can be matched in linear time"),
        })
}

fn narrow<T: Named>(regex: &Regex, rows: Vec<T>, watch: &Watch) -> Narrowed<T> {
    let mut narrowed = Narrowed { rows: Vec::new(), reached: None, is_over: false };
    for row in rows {
        if watch.is_dropped() || narrowed.reached.is_some() && watch.is_over() {
            narrowed.is_over = true;
            break;
        }
        narrowed.reached = Some(row.cursor());
        if matches(regex, &row) {
            narrowed.rows.push(row);
        }
    }
    narrowed
}

fn matches(regex: &Regex, row: &impl Named) -> bool {
    regex.is_match(row.name()) || row.description().is_some_and(|description| regex.is_match(description))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentId, Timestamp};
    use proptest::prelude::*;
    use std::time::Duration;
    use uuid::Uuid;

    fn agent(id: u128, name: &str, description: Option<&str>) -> AgentHeading {
        AgentHeading {
            id: AgentId(Uuid::from_u128(id)),
            created_at: Timestamp::UNIX_EPOCH,
            name: name.to_owned(),
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn expressions_are_found_anywhere_in_name_or_description() {
        let is_found = |filter: &str, name: &str| matches(&compile(filter).unwrap(), &agent(1, name, Some("Größe 7")));
        assert!(is_found("^Sup", "Support"));
        assert!(is_found("(?i)SUPPORT", "Support"));
        assert!(is_found("öß", "x"));
        assert!(!is_found("^öß", "x"));
        assert!(is_found(".*", ""));
    }

    #[test]
    fn costly_expressions_are_rejected_or_harmless() {
        for rejected in ["(", "a{1,100}{1,100}{1,100}{1,100}", r"\pL{1,100}", "(?=a)", r"(a)\1", &"(".repeat(500)] {
            assert!(compile(rejected).is_err(), "{rejected}");
        }
        let bomb = compile("^(a+)+$").unwrap();
        assert!(!matches(&bomb, &agent(1, &format!("{}!", "a".repeat(100_000)), None)));
    }

    #[tokio::test]
    async fn a_scan_without_time_searches_one_row_and_returns_its_cursor() {
        let org = OrgId(Uuid::from_u128(1));
        let costly = CostlyWork::default().with_scan_time(Duration::ZERO);
        let query = QueryPairs::of("filter=a");
        let mut filter = NameFilter::of(&query, &costly, org).await.unwrap().unwrap();
        let rows = vec![agent(3, "b", None), agent(2, "a", None), agent(1, "a", None)];
        let narrowed = filter.narrow(rows).await.unwrap();
        assert_eq!((narrowed.rows.len(), narrowed.is_over), (0, true));
        assert_eq!(narrowed.reached.map(|cursor| cursor.id), Some(Uuid::from_u128(3)));
        assert!(!filter.narrow(vec![agent(1, "a", None)]).await.unwrap().is_over);
        assert!(filter.narrow(Vec::<AgentHeading>::new()).await.unwrap().reached.is_none());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in ".{0,60}") {
            let _ = compile(&text);
        }
    }
}
