//! Makes blocks of pending rows.

use std::collections::HashSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::backlog;
use super::packing::{ENTRY, Entry, inverted};
use super::pending::{self, Pending};
use crate::domain::{OrgId, Timestamp};

/// Events of a block. Until there are enough, a search reads their grams one by one.
const BLOCK_SIZE: i64 = 8_192;
/// Bytes of grams that make a block of fewer events.
const BLOCK_BYTES: i64 = 4 * 1024 * 1024;
/// The number of small rows that are merged into one.
const MERGED_ROWS: i64 = 64;
/// Events above which a row is not small.
const MERGED_SIZE: i32 = 512;
/// Rows that show whether there is enough. Of so many, either [`MERGED_ROWS`] are small, or the others have
/// [`BLOCK_SIZE`] events, so that more need not be read.
const DECISIVE_ROWS: i64 = MERGED_ROWS + BLOCK_SIZE / MERGED_SIZE as i64;
/// Buckets of grams per statement.
const CHUNK: usize = 4_096;

struct BlockRow {
    pending: Uuid,
    size: i32,
    again: i32,
    oldest: Timestamp,
    newest: Timestamp,
    entries: Vec<u8>,
    grams: Vec<u8>,
}

impl BlockRow {
    fn pending(self, org: OrgId) -> Pending {
        let Self { pending, size, again, oldest, newest, entries, grams } = self;
        Pending { org, id: Some(pending), size, again, oldest, newest, entries, grams }
    }
}

/// A part of the organizations with pending rows, in the order of their ids.
pub(in crate::store) struct ToIndex {
    /// Those with enough pending rows to make a block or to merge rows.
    pub orgs: Vec<OrgId>,
    /// The last organization that was looked at.
    pub last: OrgId,
}

/// Looks at the next `limit` organizations with pending rows after `after`. Returns `None` after the last one. Each costs
/// at most [`DECISIVE_ROWS`] rows.
pub(in crate::store) async fn organizations(
    connection: &mut PgConnection,
    after: OrgId,
    limit: i64,
) -> Result<Option<ToIndex>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH RECURSIVE orgs (org_id, n) AS (
               SELECT (SELECT org_id FROM captured_pending WHERE org_id > $1 ORDER BY org_id LIMIT 1), 1::bigint
               UNION ALL
               SELECT (SELECT p.org_id FROM captured_pending p WHERE p.org_id > orgs.org_id ORDER BY p.org_id LIMIT 1),
                      n + 1
                 FROM orgs WHERE orgs.org_id IS NOT NULL AND n < $2
           )
           SELECT orgs.org_id AS "org_id!",
                  events >= $3 OR bytes >= $4 OR small_rows >= $5 AS "is_due!"
             FROM orgs
            CROSS JOIN LATERAL (
                SELECT sum(size) AS events, sum(bytes) AS bytes, count(*) FILTER (WHERE size < $6) AS small_rows
                  FROM (SELECT size, octet_length(grams) AS bytes FROM captured_pending p
                         WHERE p.org_id = orgs.org_id ORDER BY pending LIMIT $7) telling) enough
            WHERE orgs.org_id IS NOT NULL
            ORDER BY n"#,
        after.0,
        limit,
        BLOCK_SIZE,
        BLOCK_BYTES,
        MERGED_ROWS,
        MERGED_SIZE,
        DECISIVE_ROWS
    )
    .fetch_all(connection)
    .await?;
    let Some(last) = rows.last().map(|row| OrgId(row.org_id)) else { return Ok(None) };
    Ok(Some(ToIndex { orgs: rows.iter().filter(|row| row.is_due).map(|row| OrgId(row.org_id)).collect(), last }))
}

/// Makes a block of an organization's pending rows if there are enough, or else merges small rows. Returns `true` if
/// there may be enough for another block. Concurrent replicas take different organizations.
pub(in crate::store) async fn make(connection: &mut PgConnection, org: OrgId) -> Result<bool, sqlx::Error> {
    let rows = sqlx::query_as!(
        BlockRow,
        r#"WITH old AS (
               SELECT pending, size, octet_length(grams) AS bytes, oldest FROM captured_pending
                WHERE org_id = $1 ORDER BY oldest, pending LIMIT $2 FOR UPDATE SKIP LOCKED
           ), sized AS (
               SELECT pending, size, sum(size) OVER w - size AS events_before, sum(bytes) OVER w - bytes AS bytes_before,
                      sum(size) OVER () AS events, sum(bytes) OVER () AS bytes
                 FROM old WINDOW w AS (ORDER BY oldest, pending ROWS UNBOUNDED PRECEDING)
           ), chosen AS (
               SELECT pending FROM sized
                WHERE events_before < $2 AND bytes_before < $3
                  AND (events >= $2 OR bytes >= $3 OR size < $4)
           )
           DELETE FROM captured_pending p USING chosen
            WHERE p.org_id = $1 AND p.pending = chosen.pending
           RETURNING p.pending, p.size, p.again, p.oldest, p.newest, p.entries, p.grams"#,
        org.0,
        BLOCK_SIZE,
        BLOCK_BYTES,
        MERGED_SIZE
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut rows: Vec<Pending> = rows.into_iter().map(|row| row.pending(org)).collect();
    rows.sort_by_key(|row| (row.oldest, row.id));
    let events: i64 = rows.iter().map(|row| i64::from(row.size)).sum();
    let bytes: usize = rows.iter().map(|row| row.grams.len()).sum();
    if events >= BLOCK_SIZE || bytes as i64 >= BLOCK_BYTES {
        insert(connection, org, rows).await?;
        return Ok(true);
    }
    // Events that were indexed again have rows of their own, so that their entries can be recognised.
    let (again, first): (Vec<Pending>, Vec<Pending>) = rows.into_iter().partition(|row| row.again > 0);
    let merged = [first, again].into_iter().filter_map(|rows| {
        rows.into_iter().reduce(|mut merged, row| {
            merged.append(&row);
            merged
        })
    });
    pending::insert(connection, &merged.collect::<Vec<_>>()).await?;
    Ok(false)
}

async fn insert(connection: &mut PgConnection, org: OrgId, mut rows: Vec<Pending>) -> Result<(), sqlx::Error> {
    // Entries of events that were indexed before come last.
    rows.sort_by_key(|row| row.again > 0);
    let Some(block) = rows.first().and_then(|row| row.id) else { return Ok(()) };
    let size: i32 = rows.iter().map(|row| row.size).sum();
    let again: i32 = rows.iter().map(|row| row.again).sum();
    let oldest = rows.iter().map(|row| row.oldest).min();
    let newest = rows.iter().map(|row| row.newest).max();
    let entries: Vec<u8> = rows.iter().flat_map(|row| row.entries.iter().copied()).collect();
    sqlx::query!(
        "INSERT INTO captured_blocks (org_id, block, size, again, oldest, newest, entries)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        org.0,
        block,
        size,
        again,
        oldest,
        newest,
        &entries
    )
    .execute(&mut *connection)
    .await?;
    // Sorting millions of numbers takes some tenths of a second.
    let lists = tokio::task::spawn_blocking(move || inverted(rows.iter().map(|row| &row.grams[..])));
    let lists = lists.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
    for chunk in lists.chunks(CHUNK) {
        let buckets: Vec<i32> = chunk.iter().map(|(bucket, _)| *bucket as i32).collect();
        let lists: Vec<&[u8]> = chunk.iter().map(|(_, lists)| &lists[..]).collect();
        sqlx::query!(
            "INSERT INTO captured_grams (org_id, block, bucket, lists)
             SELECT $1, $2, bucket, lists FROM UNNEST($3::integer[], $4::bytea[]) AS new (bucket, lists)",
            org.0,
            block,
            &buckets,
            &lists as &[&[u8]]
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Deletes the blocks and pending rows that contain one of these events, because their grams reveal its contents. The
/// other events of these blocks are no longer indexed then, and are added to the backlog. Events that were only indexed
/// again in them become candidates of every search, because no other row has the grams of their current contents.
pub(in crate::store) async fn dissolve(
    connection: &mut PgConnection,
    org: OrgId,
    events: &[Uuid],
    times: &[Timestamp],
) -> Result<(), sqlx::Error> {
    let dissolved = sqlx::query!(
        r#"WITH deleted AS (SELECT id, at FROM UNNEST($2::uuid[], $3::timestamptz[]) AS deleted (id, at)),
                pending AS (
             DELETE FROM captured_pending p
              WHERE p.org_id = $1
                AND EXISTS (SELECT FROM deleted
                             WHERE deleted.at BETWEEN p.oldest AND p.newest
                               AND position(uuid_send(deleted.id) IN p.entries) > 0)
             RETURNING substr(p.entries, (p.size - p.again) * $4 + 1) AS again
           ), blocks AS (
             DELETE FROM captured_blocks b
              WHERE b.org_id = $1
                AND EXISTS (SELECT FROM deleted
                             WHERE deleted.at BETWEEN b.oldest AND b.newest
                               AND position(uuid_send(deleted.id) IN b.entries) > 0)
             RETURNING b.block, substr(b.entries, (b.size - b.again) * $4 + 1) AS again
           ), backlog AS (
             INSERT INTO captured_backlog (org_id, at, event_id)
             SELECT $1, 'epoch', '00000000-0000-0000-0000-000000000000'
                 ON CONFLICT (org_id) DO UPDATE SET at = EXCLUDED.at, event_id = EXCLUDED.event_id
           )
           SELECT block, again AS "again!" FROM blocks
           UNION ALL
           SELECT NULL, again FROM pending WHERE again <> ''"#,
        org.0,
        events,
        times,
        ENTRY as i32
    )
    .fetch_all(&mut *connection)
    .await?;
    let blocks: Vec<Uuid> = dissolved.iter().filter_map(|row| row.block).collect();
    if !blocks.is_empty() {
        sqlx::query!("DELETE FROM captured_grams WHERE org_id = $1 AND block = ANY ($2)", org.0, &blocks)
            .execute(&mut *connection)
            .await?;
    }
    let deleted: HashSet<&Uuid> = events.iter().collect();
    let again = dissolved.iter().flat_map(|row| row.again.chunks(ENTRY)).filter_map(Entry::read);
    let mut again: Vec<Entry> = again.filter(|entry| !deleted.contains(&entry.id)).collect();
    again.sort_unstable_by_key(|entry| (entry.at, entry.id));
    again.dedup();
    let (Some(first), Some(last)) = (again.first(), again.last()) else { return Ok(()) };
    // Events whose first entry was deleted too are indexed with their current contents by the worker.
    let ids = again.iter().map(|entry| entry.id).collect();
    let indexed = backlog::known(connection, org, (first.at, last.at), ids).await?;
    again.retain(|entry| indexed.contains(&entry.id));
    pending::add_unknown(connection, org, &again).await
}
