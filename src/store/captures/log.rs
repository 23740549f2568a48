//! The log: events of all conversations, newest first.

use sqlx::PgConnection;

use super::row::{captured, captured_facts, captured_rows};
use super::scan::rows_within_reach;
use super::{COUNT_LIMIT, CaptureFilter, CapturedRow, Captures, Cursor, LogKind, totals};
use crate::domain::OrgId;
use crate::store::bytes::{self, Page, PageLimit};
use crate::store::scope::PooledTransaction;
use crate::store::{StoreError, scope};

/// A page of the log.
#[derive(Debug)]
pub struct LogPage {
    pub rows: Vec<CapturedRow>,
    /// How many events match, counted up to [`COUNT_LIMIT`].
    pub total: i64,
    /// The cursor of the next page; `None` at the end of the window.
    pub next: Option<Cursor>,
}

struct CountedEvents {
    count: i64,
}

/// Above this number of skipped rows, the page is found by the index and not by reading rows.
const FAR: i64 = 200;

impl Captures<'_> {
    /// Returns events behind `cursor`, all or only errors.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn log(
        &self,
        filter: &CaptureFilter,
        kind: LogKind,
        cursor: Option<Cursor>,
        limit: PageLimit,
    ) -> Result<LogPage, StoreError> {
        if filter.search.is_some()
            && let Some(page) = self.searched_log(filter, kind, cursor, limit).await?
        {
            return Ok(page);
        }
        let transaction = scope::begin_scan(self.0.scans(), self.0.org).await?;
        self.log_within(transaction, filter, kind, cursor, limit).await
    }

    /// Returns the same page in a transaction that the caller has begun.
    pub(super) async fn log_within(
        &self,
        mut transaction: PooledTransaction,
        filter: &CaptureFilter,
        kind: LogKind,
        cursor: Option<Cursor>,
        limit: PageLimit,
    ) -> Result<LogPage, StoreError> {
        let org = self.0.org;
        let first_reach = rows_within_reach(&mut transaction, org, filter, kind, None).await?;
        let total = count(&mut transaction, org, filter, kind, first_reach).await?;
        if total == 0 && cursor.is_none() {
            // The count read as far as the page would, or the totals show that there is none.
            let next = match filter.is_by_name_only() {
                true => None,
                false => edge(&mut transaction, org, filter, kind, None, first_reach).await?,
            };
            transaction.commit().await?;
            return Ok(LogPage { rows: Vec::new(), total, next });
        }
        let reach = match cursor {
            None => first_reach,
            cursor => rows_within_reach(&mut transaction, org, filter, kind, cursor).await?,
        };
        let (mut cursor, mut limit) = (cursor, limit);
        if limit.skip >= FAR && filter.has_no_conditions() {
            // Skipped rows are read from the index alone.
            let last = edge(&mut transaction, org, filter, kind, cursor, limit.skip).await?;
            if last.is_none() {
                transaction.commit().await?;
                return Ok(LogPage { rows: Vec::new(), total, next: None });
            }
            (cursor, limit.skip) = (last, 0);
        }
        macro_rules! page_of {
            ($errors:literal) => {
                captured_rows!(
                    $errors,
                    " ORDER BY c.at DESC, c.event_id DESC LIMIT $13 OFFSET $14",
                    org,
                    filter,
                    cursor,
                    reach,
                    limit.rows,
                    limit.skip
                )
            };
        }
        let Page { rows, cut } = if kind.is_errors() {
            bytes::page(page_of!(" AND NOT success").fetch(&mut *transaction), limit.bytes).await?
        } else {
            bytes::page(page_of!("").fetch(&mut *transaction), limit.bytes).await?
        };
        if cut {
            let next = rows.last().map(|row| Cursor { at: row.at, id: row.event_id });
            return Ok(LogPage { rows, total, next });
        }
        let next = if rows.len() as i64 == limit.rows {
            rows.last().map(|row| Cursor { at: row.at, id: row.event_id })
        } else {
            // There is no more within reach. If the window is longer, the next page begins after what was read.
            edge(&mut transaction, org, filter, kind, cursor, reach).await?
        };
        transaction.commit().await?;
        Ok(LogPage { rows, total, next })
    }
}

/// Returns the event that is `count` rows after `cursor` in the window, ignoring the other conditions.
async fn edge(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    kind: LogKind,
    cursor: Option<Cursor>,
    count: i64,
) -> Result<Option<Cursor>, sqlx::Error> {
    let (before, before_id) = Cursor::or_newest(cursor);
    macro_rules! edge {
        ($errors:literal) => {
            sqlx::query_as!(
                Cursor,
                "SELECT at, event_id AS id FROM captured_events
                  WHERE org_id = $1 AND at >= $2 AND (at, event_id) < ($3, $4)"
                    + $errors
                    + " ORDER BY at DESC, event_id DESC OFFSET $5 LIMIT 1",
                org.0,
                filter.since,
                before,
                before_id,
                count - 1
            )
        };
    }
    if kind.is_errors() {
        edge!(" AND NOT success").fetch_optional(connection).await
    } else {
        edge!("").fetch_optional(connection).await
    }
}

/// Returns how many events of the window match the filter, counted up to [`COUNT_LIMIT`]: from totals, or among the
/// `reach` rows that a scan reads.
async fn count(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    kind: LogKind,
    reach: i64,
) -> Result<i64, sqlx::Error> {
    if filter.is_by_name_only() {
        let days = totals::by_day(connection, org, filter).await?.page.rows;
        return Ok(days.iter().map(|day| if kind.is_errors() { day.errors } else { day.events }).sum());
    }
    macro_rules! counted {
        ($captured:ident, $errors:literal) => {
            $captured!(
                CountedEvents,
                r#"SELECT count(*) AS "count!" FROM (SELECT 1"#,
                $errors,
                " LIMIT $13) counted",
                org,
                filter,
                None,
                reach,
                COUNT_LIMIT
            )
            .fetch_one(connection)
            .await?
        };
    }
    let counted = match (filter.opens_events(), kind.is_errors()) {
        (true, true) => counted!(captured, " AND NOT success"),
        (true, false) => counted!(captured, ""),
        (false, true) => counted!(captured_facts, " AND NOT success"),
        (false, false) => counted!(captured_facts, ""),
    };
    Ok(counted.count)
}
