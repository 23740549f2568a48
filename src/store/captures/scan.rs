//! Limits of a scan of captured events: a number of rows, and a number of stored bytes if the filter reads payloads.

use sqlx::PgConnection;

use super::figure::{FIGURE_BYTES, Figure, Grain, MAX_FIGURES, Read};
use super::row::{captured, captured_facts};
use super::{CaptureFilter, Cursor, DIALECT, LogKind};
use crate::domain::OrgId;
use crate::store::bytes;

/// Stored bytes of payloads that one scan reads. Postgres compresses large texts, so it may unpack several times as
/// much; the statement's time limit bounds that.
pub const SCAN_BYTES: i64 = 32 * 1024 * 1024;

struct CountedRows {
    rows: i64,
}

/// Returns how many rows after `cursor` a scan reads: up to the limit of the filter. If the filter reads payloads, they have at
/// most [`SCAN_BYTES`] together, but there is at least one row. Sizes are read without reading payloads.
pub(super) async fn rows_within_reach(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    kind: LogKind,
    cursor: Option<Cursor>,
) -> Result<i64, sqlx::Error> {
    if !filter.opens_events() {
        return Ok(filter.scan_limit());
    }
    let (before, before_id) = Cursor::or_newest(cursor);
    macro_rules! reach {
        ($errors:literal) => {
            sqlx::query_as!(
                CountedRows,
                r#"SELECT count(*) AS "rows!"
                     FROM (SELECT sum(pg_column_size(e.payload) + COALESCE(pg_column_size(e.content), 0))
                                      OVER (ORDER BY c.at DESC, c.event_id DESC ROWS UNBOUNDED PRECEDING) AS bytes
                             FROM (SELECT at, event_id, session_id FROM captured_events
                                    WHERE org_id = $1 AND at >= $2 AND (at, event_id) < ($3, $4)"#
                    + $errors
                    + r#" ORDER BY at DESC, event_id DESC LIMIT $5) c
                             JOIN LATERAL (SELECT content, payload FROM session_events
                                            WHERE org_id = $1 AND dialect = $6 AND session_id = c.session_id
                                              AND event_id = c.event_id
                                            LIMIT 1) e ON true) sized
                    WHERE bytes <= $7"#,
                org.0,
                filter.since,
                before,
                before_id,
                filter.scan_limit(),
                DIALECT.code(),
                SCAN_BYTES
            )
        };
    }
    // With the condition as a parameter, a generic plan would not use the index of errors.
    let counted = if kind.is_errors() {
        reach!(" AND NOT success").fetch_one(connection).await?
    } else {
        reach!("").fetch_one(connection).await?
    };
    Ok(counted.rows.max(1))
}

/// Sums up the events of a window that a scan reads, per bucket, kind and name.
pub(super) async fn figures(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    grain: Grain,
) -> Result<Read, sqlx::Error> {
    let reach = rows_within_reach(connection, org, filter, LogKind::All, None).await?;
    macro_rules! sums {
        ($captured:ident) => {
            $captured!(
                Figure,
                r#"SELECT date_trunc($13, at, 'UTC') AS "bucket!", kind AS "kind!", name AS "name!",
                          count(*) AS "events!", count(*) FILTER (WHERE NOT success) AS "errors!",
                          count(*) FILTER (WHERE untimed) AS "untimed!",
                          COALESCE(sum(latency_ms) FILTER (WHERE NOT untimed), 0)::float8 AS "latency_ms!",
                          COALESCE(max(latency_ms) FILTER (WHERE NOT untimed), 0) AS "latency_max!"
                     FROM (SELECT c.*"#,
                "",
                ") c GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3 LIMIT $14",
                org,
                filter,
                None,
                reach,
                grain.unit(),
                MAX_FIGURES
            )
        };
    }
    let page = if filter.opens_events() {
        bytes::page(sums!(captured).fetch(&mut *connection), FIGURE_BYTES).await?
    } else {
        bytes::page(sums!(captured_facts).fetch(&mut *connection), FIGURE_BYTES).await?
    };
    if page.cut {
        return Ok(Read { page, complete: false });
    }
    let beyond = sqlx::query_scalar!(
        r#"SELECT 1 AS "one!" FROM captured_events WHERE org_id = $1 AND at >= $2
            ORDER BY at DESC, event_id DESC OFFSET $3 LIMIT 1"#,
        org.0,
        filter.since,
        reach
    )
    .fetch_optional(connection)
    .await?;
    Ok(Read { page, complete: beyond.is_none() })
}
