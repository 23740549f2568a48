//! Lists that are bounded by bytes as well as by rows.
//!
//! Rows are read from Postgres and counted one by one, so that a page of large rows is never in memory as a whole. The
//! first row is always returned, however large, so that a list that is read by cursor reaches its end.
//!
//! A page that was cut leaves unread rows on the connection. Its transaction is dropped and not committed, because
//! COMMIT would have to read all of them first.

use std::pin::pin;

use futures::{Stream, TryStreamExt};

/// Bytes of one page of a list, in every dialect, counted as the stored texts in JSON.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// What a row counts besides its texts: member names, ids, times and numbers.
const ROW_BYTES: usize = 256;

/// How much of a list is requested.
#[derive(Clone, Copy, Debug)]
pub struct PageLimit {
    pub rows: i64,
    /// Rows to skip before the page.
    pub skip: i64,
    pub bytes: usize,
}

impl PageLimit {
    /// Returns the limit of a page of `rows` rows and at most [`MAX_PAGE_BYTES`].
    #[must_use]
    pub const fn rows(rows: i64) -> Self {
        Self { rows, skip: 0, bytes: MAX_PAGE_BYTES }
    }

    #[must_use]
    pub const fn skipping(self, skip: i64) -> Self {
        Self { skip, ..self }
    }

    #[must_use]
    pub const fn within(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

/// A row with a known size.
pub trait Weighed {
    /// Returns the bytes of the row's texts in JSON.
    fn text_bytes(&self) -> usize;

    /// Returns the bytes of the row in a list.
    fn weight(&self) -> usize {
        ROW_BYTES + self.text_bytes()
    }
}

/// Returns the bytes of a text as a JSON string. Control characters count as `\u0000`.
#[must_use]
pub fn json_bytes(text: &str) -> usize {
    text.bytes().map(|b| 1 + usize::from(b == b'"' || b == b'\\') + 5 * usize::from(b < 0x20)).sum()
}

/// Returns the bytes of a text that may be missing.
#[must_use]
pub fn optional_json_bytes(text: Option<&str>) -> usize {
    text.map_or(0, json_bytes)
}

/// Rows of a list, in its order.
#[derive(Debug)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// Whether the page ends before its limit of rows because of its bytes. More rows follow then.
    pub cut: bool,
}

impl<T> Page<T> {
    /// Returns a page without rows.
    #[must_use]
    pub fn empty() -> Self {
        Self { rows: Vec::new(), cut: false }
    }

    /// Returns whether the page is full, so that rows may follow it.
    #[must_use]
    pub fn is_full(&self, limit: i64) -> bool {
        self.cut || i64::try_from(self.rows.len()).is_ok_and(|rows| rows >= limit)
    }

    /// Cuts the page to `limit` rows. Returns whether rows follow, for a page that was read with one row more than its
    /// limit.
    pub fn truncate(&mut self, limit: usize) -> bool {
        let more = self.cut || self.rows.len() > limit;
        self.rows.truncate(limit);
        more
    }

    /// Converts every row to another type.
    ///
    /// # Errors
    /// The first error of a row.
    pub fn try_into_rows<U, E>(self) -> Result<Page<U>, E>
    where
        U: TryFrom<T, Error = E>,
    {
        let rows = self.rows.into_iter().map(U::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, cut: self.cut })
    }
}

/// Reads rows as long as they fit into `bytes`, but at least one.
pub(super) async fn page<T: Weighed>(
    rows: impl Stream<Item = Result<T, sqlx::Error>>,
    bytes: usize,
) -> Result<Page<T>, sqlx::Error> {
    page_of_larger(rows, bytes, 0).await
}

/// Like [`page`], for rows that a response shows with `larger_by` more bytes each.
pub(super) async fn page_of_larger<T: Weighed>(
    rows: impl Stream<Item = Result<T, sqlx::Error>>,
    bytes: usize,
    larger_by: usize,
) -> Result<Page<T>, sqlx::Error> {
    let mut rows = pin!(rows);
    let mut page = Page::empty();
    let mut left = bytes;
    while let Some(row) = rows.try_next().await? {
        let weight = row.weight().saturating_add(larger_by);
        if weight > left && !page.rows.is_empty() {
            page.cut = true;
            break;
        }
        left = left.saturating_sub(weight);
        page.rows.push(row);
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, stream};
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug)]
    struct Row(usize);

    impl Weighed for Row {
        fn text_bytes(&self) -> usize {
            self.0
        }
    }

    /// Returns the page, and how many rows were read from the stream.
    fn paged(sizes: &[usize], bytes: usize) -> (Page<Row>, usize) {
        let taken = AtomicUsize::new(0);
        let rows = stream::iter(sizes).map(|size| {
            taken.fetch_add(1, Ordering::Relaxed);
            Ok(Row(*size))
        });
        let page = page(rows, bytes).now_or_never().unwrap().unwrap();
        (page, taken.into_inner())
    }

    use futures::StreamExt;

    #[test]
    fn a_page_has_at_least_one_row() {
        let (page, taken) = paged(&[10_000, 1], 100);
        assert_eq!((page.rows.len(), page.cut, taken), (1, true, 2));
        let (page, _) = paged(&[10_000], 100);
        assert_eq!((page.rows.len(), page.cut), (1, false));
        assert!(!paged(&[], 100).0.cut);
    }

    #[test]
    fn texts_are_counted_as_json_writes_them() {
        for text in ["", "a", "é😀", "\"\\", "line\nline", "\u{1}\u{1f}"] {
            let written = serde_json::to_string(text).unwrap().len() - 2;
            assert!((written..=written + 4 * text.len()).contains(&json_bytes(text)), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_page_is_larger_than_its_bytes_and_one_more_row_would_not_fit(
            sizes in prop::collection::vec(0usize..2_000, 0..30),
            bytes in 0usize..20_000,
        ) {
            let (page, taken) = paged(&sizes, bytes);
            let weight: usize = page.rows.iter().map(Row::weight).sum();
            prop_assert!(weight <= bytes || page.rows.len() == 1);
            prop_assert!(taken <= page.rows.len() + 1);
            prop_assert_eq!(page.cut, page.rows.len() < sizes.len());
            if page.cut {
                prop_assert!(weight + ROW_BYTES + sizes[page.rows.len()] > bytes);
            }
        }

        #[test]
        fn no_text_is_longer_on_the_wire_than_it_counts(text in "(.|[\\x00-\\x1f])*") {
            prop_assert!(json_bytes(&text) >= serde_json::to_string(&text).unwrap().len() - 2);
        }
    }
}
