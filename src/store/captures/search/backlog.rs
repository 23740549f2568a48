//! Events without grams: those that are older than the index, those that an older binary wrote, and the events of
//! dissolved blocks.

use std::collections::HashSet;

use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::packing::{ENTRY, Entry};
use super::pending;
use crate::domain::grams::Grams;
use crate::domain::{OrgId, Timestamp};
use crate::store::captures::DIALECT;

/// Events of a batch.
const BATCH: i64 = 1_000;
/// Stored bytes of the contents of a batch.
const BATCH_BYTES: i64 = 2 * 1024 * 1024;

/// The end of a batch of [`note`].
pub(in crate::store) struct Noted {
    /// The last organization that was checked.
    pub last: Uuid,
    pub noted: i64,
}

/// Notes which of the next `limit` organizations after `after`, in the order of their ids, have more events than the
/// index. Returns `None` after the last organization.
///
/// An organization costs as many rows as it has days with events and blocks of the index.
pub(in crate::store) async fn note(
    connection: &mut PgConnection,
    after: Uuid,
    limit: i64,
) -> Result<Option<Noted>, sqlx::Error> {
    let noted = sqlx::query!(
        r#"WITH batch AS (
               SELECT org_id FROM organizations WHERE org_id > $1 ORDER BY org_id LIMIT $2
           ), noted AS (
               INSERT INTO captured_backlog (org_id, at, event_id)
               SELECT batch.org_id, 'epoch', '00000000-0000-0000-0000-000000000000'
                 FROM batch
                CROSS JOIN LATERAL (
                    SELECT sum(events) AS missing
                      FROM (SELECT events FROM captured_sums WHERE org_id = batch.org_id AND NOT monthly
                            UNION ALL
                            SELECT events FROM captured_totals WHERE org_id = batch.org_id AND daily AND shard >= 0
                            UNION ALL
                            SELECT again - size FROM captured_blocks WHERE org_id = batch.org_id
                            UNION ALL
                            SELECT again - size FROM captured_pending WHERE org_id = batch.org_id) counted) compared
                WHERE missing > 0
                   ON CONFLICT (org_id) DO NOTHING
               RETURNING 1
           )
           SELECT org_id AS "last!", (SELECT count(*) FROM noted) AS "noted!"
             FROM batch ORDER BY org_id DESC LIMIT 1"#,
        after,
        limit
    )
    .fetch_optional(connection)
    .await?;
    Ok(noted.map(|row| Noted { last: row.last, noted: row.noted }))
}

struct BacklogRow {
    event_id: Uuid,
    at: Timestamp,
    name: Option<String>,
    input: Option<String>,
    output: Option<String>,
}

/// Adds the grams of the next events of one noted organization. Returns `false` when no organization is noted.
/// Concurrent replicas take different organizations.
pub(in crate::store) async fn work_off(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let noted = sqlx::query!(
        "SELECT org_id, at, event_id FROM captured_backlog ORDER BY org_id LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(noted) = noted else { return Ok(false) };
    let org = OrgId(noted.org_id);
    let rows = sqlx::query_as!(
        BacklogRow,
        r#"SELECT event_id AS "event_id!", at AS "at!", author_id AS name, content AS input, payload->>'result' AS output
             FROM (SELECT c.event_id, c.at, e.author_id, e.content, e.payload,
                          sum(COALESCE(pg_column_size(e.payload), 0) + COALESCE(pg_column_size(e.content), 0))
                              OVER (ORDER BY c.at, c.event_id ROWS UNBOUNDED PRECEDING)
                          - COALESCE(pg_column_size(e.payload), 0) - COALESCE(pg_column_size(e.content), 0) AS before
                     FROM (SELECT event_id, at, session_id FROM captured_events
                            WHERE org_id = $1 AND (at, event_id) > ($2, $3)
                            ORDER BY at, event_id LIMIT $4) c
                     LEFT JOIN LATERAL (SELECT author_id, content, payload FROM session_events
                                         WHERE org_id = $1 AND dialect = $5 AND session_id = c.session_id
                                           AND event_id = c.event_id
                                         LIMIT 1) e ON true) sized
            WHERE before < $6 ORDER BY at, event_id"#,
        org.0,
        noted.at,
        noted.event_id,
        BATCH,
        DIALECT.code(),
        BATCH_BYTES
    )
    .fetch_all(&mut *connection)
    .await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        sqlx::query!("DELETE FROM captured_backlog WHERE org_id = $1", org.0).execute(connection).await?;
        return Ok(true);
    };
    let cursor = (last.at, last.event_id);
    let known = known(connection, org, (first.at, last.at), rows.iter().map(|row| row.event_id).collect()).await?;
    let rows: Vec<BacklogRow> = rows.into_iter().filter(|row| !known.contains(&row.event_id)).collect();
    let events = tokio::task::spawn_blocking(move || {
        let grams = |row: &BacklogRow| {
            let texts = [row.name.as_deref(), row.input.as_deref(), row.output.as_deref()];
            (Entry { id: row.event_id, at: row.at }, Grams::of(texts.into_iter().flatten()))
        };
        rows.iter().map(grams).collect::<Vec<_>>()
    });
    let events = events.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
    let packed = pending::packed(events.iter().map(|(entry, grams)| (org, *entry, grams)));
    pending::insert(connection, &packed).await?;
    sqlx::query!("UPDATE captured_backlog SET at = $2, event_id = $3 WHERE org_id = $1", org.0, cursor.0, cursor.1)
        .execute(connection)
        .await?;
    Ok(true)
}

/// Returns which of the events, all of the given times, are in a block or a pending row. Entries of events that were
/// indexed again do not count.
pub(super) async fn known(
    connection: &mut PgConnection,
    org: OrgId,
    (oldest, newest): (Timestamp, Timestamp),
    events: HashSet<Uuid>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let mut lists = sqlx::query_scalar!(
        r#"SELECT substr(entries, 1, (size - again) * $4) AS "entries!" FROM captured_blocks
            WHERE org_id = $1 AND newest >= $2 AND oldest <= $3
           UNION ALL
           SELECT entries FROM captured_pending WHERE org_id = $1 AND again = 0 AND newest >= $2 AND oldest <= $3"#,
        org.0,
        oldest,
        newest,
        ENTRY as i32
    )
    .fetch(connection);
    let mut known = HashSet::new();
    while let Some(entries) = lists.try_next().await? {
        known.extend(
            entries.chunks(ENTRY).filter_map(Entry::read).map(|entry| entry.id).filter(|id| events.contains(id)),
        );
    }
    Ok(known)
}
