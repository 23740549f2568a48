//! `filter`: a regular expression over names and descriptions.
//!
//! The expressions are those of the `regex` crate, which knows no backtracking: they match in time linear in the text.
//! They are found anywhere in it. What they cost is bounded by the size of what they compile to, by the length of the
//! text, and by the time of the [`Scan`] that applies them.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::AgentKeyError;
use super::page_key::PageCursor;
use super::patch::invalid;
use crate::domain::OrgId;
use crate::http::{CostlyWork, QueryPairs, Scan, Watch};
use crate::store::{AgentHeading, Heading};

/// Characters.
const LONGEST: usize = 1_000;
/// Bytes of a compiled expression, and of what its matching may remember.
const COMPILED_LIMIT: usize = 64 * 1024;
const DEEPEST: u32 = 50;

/// What a filter looks at. Of long texts the store gives the first 1,000 characters.
pub(super) trait Named: Send + 'static {
    fn name(&self) -> &str;
    fn description(&self) -> Option<&str>;
    fn place(&self) -> PageCursor;
}

impl Named for Heading {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    fn place(&self) -> PageCursor {
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

    fn place(&self) -> PageCursor {
        PageCursor { at: self.created_at, id: self.id.0 }
    }
}

/// The expression of a request, and the scan that applies it.
pub(super) struct NameFilter {
    regex: Arc<Regex>,
    scan: Scan,
}

/// Rows that a filter lets through.
pub(super) struct Narrowed<T> {
    pub rows: Vec<T>,
    /// The last row that was looked at.
    pub reached: Option<PageCursor>,
    /// Whether the scan's time ended before the last row.
    pub is_over: bool,
}

impl NameFilter {
    /// Compiles the expression that a request names, if it does.
    ///
    /// # Errors
    /// 400 for a text that is no regular expression, or too large a one; 429 when the organization has as many scans as
    /// it may.
    pub(super) async fn of(query: &QueryPairs, costly: &CostlyWork, org: OrgId) -> Result<Option<Self>, AgentKeyError> {
        let Some(text) = query.first("filter").filter(|filter| !filter.is_empty()) else { return Ok(None) };
        if text.chars().nth(LONGEST).is_some() {
            return Err(invalid("filter", format!("must not exceed {LONGEST} characters")));
        }
        let mut scan = costly.scan(org)?;
        let text = text.to_owned();
        let regex = scan.run(move |_| compile(&text)).await??;
        Ok(Some(Self { regex: Arc::new(regex), scan }))
    }

    /// Looks at the rows in their order, until the scan's time ends: at least at the first, so that a client that
    /// goes on from there reaches the end.
    ///
    /// # Errors
    /// 429 when every thread stays busy.
    pub(super) async fn narrow<T: Named>(&mut self, rows: Vec<T>) -> Result<Narrowed<T>, AgentKeyError> {
        let regex = Arc::clone(&self.regex);
        Ok(self.scan.run(move |watch| narrow(&regex, rows, watch)).await?)
    }
}

fn compile(text: &str) -> Result<Regex, AgentKeyError> {
    RegexBuilder::new(text)
        .size_limit(COMPILED_LIMIT)
        .dfa_size_limit(COMPILED_LIMIT)
        .nest_limit(DEEPEST)
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
        narrowed.reached = Some(row.place());
        if lets_through(regex, &row) {
            narrowed.rows.push(row);
        }
    }
    narrowed
}

fn lets_through(regex: &Regex, row: &impl Named) -> bool {
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
        let matches =
            |filter: &str, name: &str| lets_through(&compile(filter).unwrap(), &agent(1, name, Some("Größe 7")));
        assert!(matches("^Sup", "Support"));
        assert!(matches("(?i)SUPPORT", "Support"));
        assert!(matches("öß", "x"));
        assert!(!matches("^öß", "x"));
        assert!(matches(".*", ""));
    }

    #[test]
    fn what_would_explode_is_refused_or_harmless() {
        for refused in ["(", "a{1,100}{1,100}{1,100}{1,100}", r"\pL{1,100}", "(?=a)", r"(a)\1", &"(".repeat(500)] {
            assert!(compile(refused).is_err(), "{refused}");
        }
        let bomb = compile("^(a+)+$").unwrap();
        assert!(!lets_through(&bomb, &agent(1, &format!("{}!", "a".repeat(100_000)), None)));
    }

    #[tokio::test]
    async fn a_scan_without_time_looks_at_one_row_and_says_where_it_stands() {
        let org = OrgId(Uuid::from_u128(1));
        let costly = CostlyWork::default().with_scan_time(Duration::ZERO);
        let query = QueryPairs::of("filter=a");
        let mut filter = NameFilter::of(&query, &costly, org).await.unwrap().unwrap();
        let rows = vec![agent(3, "b", None), agent(2, "a", None), agent(1, "a", None)];
        let narrowed = filter.narrow(rows).await.unwrap();
        assert_eq!((narrowed.rows.len(), narrowed.is_over), (0, true));
        assert_eq!(narrowed.reached.map(|place| place.id), Some(Uuid::from_u128(3)));
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
