//! The log, searched by a text with the index.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::row::{captured, captured_rows};
use super::search::{Candidates, Entry, find};
use super::{COMPARED_LIMIT, CaptureFilter, CapturedRow, Captures, Cursor, DIALECT, LogKind, LogPage, SCAN_BYTES};
use crate::domain::{OrgId, Timestamp};
use crate::store::bytes::{self, Page, PageLimit};
use crate::store::{StoreError, scope};

/// Candidates that are compared in one statement.
const CHUNK: usize = 64;
/// Candidates that are compared to count the matches of a search.
const SEARCH_COUNT_LIMIT: usize = 500;
/// Limit of candidates that are compared for a page.
const MAX_COMPARED: usize = COMPARED_LIMIT as usize;

struct Matched {
    event_id: Uuid,
    at: Timestamp,
}

/// Candidates that were compared.
struct Compared {
    /// Those that match, newest first.
    matched: Vec<Entry>,
    /// The last that was compared.
    last: Option<Entry>,
    /// Whether all of the window were compared.
    complete: bool,
}

impl Captures<'_> {
    /// Returns the page of the log if the index can be used for the filter's text.
    pub(super) async fn searched_log(
        &self,
        filter: &CaptureFilter,
        kind: LogKind,
        cursor: Option<Cursor>,
        limit: PageLimit,
    ) -> Result<Option<LogPage>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_search(self.0.scans(), org).await?;
        let Some(candidates) = find(&mut transaction, org, filter, cursor).await? else {
            transaction.commit().await?;
            return Ok(None);
        };
        let wanted = usize::try_from(limit.skip + limit.rows).unwrap_or(usize::MAX);
        let at_least = if cursor.is_none() { SEARCH_COUNT_LIMIT } else { 0 };
        let compared = compare(&mut transaction, org, filter, kind, &candidates, (wanted, at_least)).await?;
        let total = if cursor.is_none() {
            compared.matched.len()
        } else {
            // Counted from the beginning of the window, whatever the page.
            match find(&mut transaction, org, filter, None).await? {
                Some(all) => {
                    compare(&mut transaction, org, filter, kind, &all, (0, SEARCH_COUNT_LIMIT)).await?.matched.len()
                }
                None => compared.matched.len(),
            }
        };
        let ids: Vec<Uuid> =
            compared.matched.iter().skip(limit.skip.unsigned_abs() as usize).map(|entry| entry.id).collect();
        let ids = &ids[..ids.len().min(limit.rows.unsigned_abs() as usize)];
        let rows = captured_rows!(
            " AND event_id = ANY ($13)",
            " ORDER BY c.at DESC, c.event_id DESC",
            org,
            filter,
            None,
            limit.rows,
            ids
        );
        let Page { rows, cut } = bytes::page(rows.fetch(&mut *transaction), limit.bytes).await?;
        if !cut {
            transaction.commit().await?;
        }
        let next = if cut || rows.len() as i64 == limit.rows {
            rows.last().map(|row| Cursor { at: row.at, id: row.event_id })
        } else if compared.complete {
            None
        } else {
            compared.last.map(|entry| Cursor { at: entry.at, id: entry.id })
        };
        Ok(Some(LogPage { rows, total: i64::try_from(total).unwrap_or(i64::MAX), next }))
    }
}

/// Compares candidates, newest first, until `wanted` match and `at_least` were compared, or until the payloads read
/// reach [`SCAN_BYTES`].
async fn compare(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    kind: LogKind,
    candidates: &Candidates,
    (wanted, at_least): (usize, usize),
) -> Result<Compared, sqlx::Error> {
    let (mut matched, mut compared, mut opened) = (Vec::new(), 0, 0);
    let entries = &candidates.entries;
    while compared < entries.len().min(MAX_COMPARED) && opened < SCAN_BYTES {
        if matched.len() >= wanted && compared >= at_least {
            break;
        }
        let chunk = &entries[compared..entries.len().min(compared + CHUNK)];
        let ids: Vec<Uuid> = chunk.iter().map(|entry| entry.id).collect();
        let sizes = sizes(connection, org, &ids).await?;
        let before = opened;
        let fitting = chunk.iter().take_while(|entry| {
            let fits = opened == before || opened < SCAN_BYTES;
            opened += sizes.get(&entry.id).copied().unwrap_or_default();
            fits
        });
        let ids: Vec<Uuid> = fitting.map(|entry| entry.id).collect();
        macro_rules! matching {
            ($condition:literal) => {
                captured!(
                    Matched,
                    r#"SELECT c.event_id AS "event_id!", c.at AS "at!""#,
                    $condition,
                    "",
                    org,
                    filter,
                    None,
                    CHUNK as i64,
                    &ids
                )
                .fetch_all(&mut *connection)
                .await?
            };
        }
        let rows = if kind.is_errors() {
            matching!(" AND NOT success AND event_id = ANY ($13)")
        } else {
            matching!(" AND event_id = ANY ($13)")
        };
        // An event whose time changed is found under both times; the older one does not count.
        let rows: HashSet<(Uuid, Timestamp)> = rows.into_iter().map(|row| (row.event_id, row.at)).collect();
        matched.extend(chunk[..ids.len()].iter().copied().filter(|entry| rows.contains(&(entry.id, entry.at))));
        compared += ids.len();
    }
    let last = compared.checked_sub(1).and_then(|last| entries.get(last)).copied();
    Ok(Compared { matched, last, complete: candidates.complete && compared == entries.len() })
}

/// Returns the stored bytes of the contents of events.
async fn sizes(connection: &mut PgConnection, org: OrgId, events: &[Uuid]) -> Result<HashMap<Uuid, i64>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT c.event_id AS "event_id!",
                  (pg_column_size(e.payload) + COALESCE(pg_column_size(e.content), 0))::bigint AS "bytes!"
             FROM UNNEST($2::uuid[]) AS wanted (event_id)
             JOIN LATERAL (SELECT event_id, session_id FROM captured_events
                            WHERE org_id = $1 AND event_id = wanted.event_id LIMIT 1) c ON true
             JOIN LATERAL (SELECT content, payload FROM session_events
                            WHERE org_id = $1 AND dialect = $3 AND session_id = c.session_id AND event_id = c.event_id
                            LIMIT 1) e ON true"#,
        org.0,
        events,
        DIALECT.code()
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.event_id, row.bytes)).collect())
}
