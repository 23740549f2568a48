//! Pages as Agntix counts them (docs/dialects/agntix.md). A number out of bounds is moved to the nearest bound, and any
//! other text counts as absent. Neither is rejected.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dialects::agntix::AgntixError;
use crate::dialects::shared::cursor::{self, Cursor};
use crate::domain::Timestamp;
use crate::http::{QueryPairs, without_zero_fraction};

const MAX_PER_PAGE: i64 = 100;
/// Far beyond every existing page.
const LAST_PAGE: i64 = 1_000_000_000;

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging<C = (Timestamp, Uuid)> {
    pub page: i64,
    pub limit: i64,
    /// Only what comes after this cursor; pages are counted from there. An extension.
    pub after: Option<C>,
}

impl<C: Cursor> Paging<C> {
    pub(super) fn read(pairs: &QueryPairs, default_limit: i64) -> Result<Self, AgntixError> {
        let after = after(pairs)?;
        let number = |name: &str| pairs.first(name).and_then(integer);
        let limit = number("limit").or_else(|| number("pageSize")).unwrap_or(default_limit);
        let page = number("page").unwrap_or(1);
        Ok(Self { page: page.clamp(1, LAST_PAGE), limit: limit.clamp(1, MAX_PER_PAGE), after })
    }

    /// Returns the number of rows before the page.
    pub(super) fn skip(&self) -> i64 {
        (self.page - 1) * self.limit
    }
}

/// Returns the query parameter `cursor`, or `None` without it.
///
/// # Errors
/// [`AgntixError::Validation`] if it is not the cursor of an earlier response.
pub(super) fn after<C: Cursor>(pairs: &QueryPairs) -> Result<Option<C>, AgntixError> {
    let given = pairs.first("cursor").filter(|text| !text.is_empty());
    given.map(|text| cursor::read(text).ok_or_else(invalid_cursor)).transpose()
}

/// Returns the error of an invalid cursor.
fn invalid_cursor() -> AgntixError {
    AgntixError::Validation("cursor must be the nextCursor of an earlier response".to_owned())
}

/// Returns the integer of any number of decimal digits, or `None` for every other text. An integer outside of `i64`
/// becomes the nearest one.
fn integer(text: &str) -> Option<i64> {
    let text = without_zero_fraction(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX);
    Some(if negative { -size } else { size })
}

/// The page and the size of the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    #[schema(example = 1)]
    page: i64,
    #[schema(example = 20)]
    limit: i64,
    /// Exact up to 1,000, and up to 5 seconds old up to 10,000.
    #[schema(example = 1)]
    total: i64,
    #[schema(example = 1)]
    total_pages: i64,
    /// The value of the query parameter `cursor` that continues the list. Present if there may be more entries than
    /// `total` counts, or if the page was cut at 4 MiB. An extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Pagination {
    pub(super) fn new<C: Cursor>(paging: Paging<C>, total: i64, next: Option<C>) -> Self {
        let Paging { page, limit, .. } = paging;
        let total_pages = total / limit + i64::from(total % limit != 0);
        Self { page, limit, total, total_pages, next_cursor: next.map(cursor::write) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_is_out_of_bounds(page in ".{0,24}|-?[0-9]{1,30}", limit in ".{0,24}|-?[0-9]{1,30}") {
            let number = |text: &str, min: i64, max: i64, default| integer(text).unwrap_or(default).clamp(min, max);
            let paging: Paging = Paging {
                page: number(&page, 1, LAST_PAGE, 1),
                limit: number(&limit, 1, MAX_PER_PAGE, 20),
                after: None,
            };
            prop_assert!(paging.skip() >= 0);
        }

        #[test]
        fn the_pages_contain_all_rows(limit in 1i64..=100, total in 0i64..=10_000) {
            let first_page: Paging = Paging { page: 1, limit, after: None };
            let Pagination { total_pages, .. } = Pagination::new(first_page, total, None);
            prop_assert!(total_pages * limit >= total && (total_pages - 1) * limit < total.max(1));
            prop_assert_eq!(total_pages == 0, total == 0);
        }
    }

    #[test]
    fn numbers_are_decimal_digits() {
        for (text, number) in [
            ("7", Some(7)),
            ("007", Some(7)),
            ("-1", Some(-1)),
            ("0", Some(0)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(-i64::MAX)),
            ("1.0", Some(1)),
            ("-3.00", Some(-3)),
            ("1e3", None),
            ("1.5", None),
            ("+1", None),
            (" 1", None),
            ("", None),
            ("-", None),
            ("ten", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
    }
}
