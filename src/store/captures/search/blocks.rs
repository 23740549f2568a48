//! Makes blocks of pending rows.

use sqlx::PgConnection;
use uuid::Uuid;

use super::packing::inverted;
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
/// Organizations per round.
const MAX_ORGS: i64 = 1_000;
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
        let Self { pending: first, size, again, oldest, newest, entries, grams } = self;
        Pending { org, first, size, again, oldest, newest, entries, grams }
    }
}

/// Returns organizations that have enough pending rows to make a block or to merge rows.
pub(in crate::store) async fn organizations(connection: &mut PgConnection) -> Result<Vec<OrgId>, sqlx::Error> {
    let orgs = sqlx::query_scalar!(
        "SELECT org_id FROM captured_pending
          GROUP BY org_id
         HAVING sum(size) >= $1 OR sum(octet_length(grams)) >= $2 OR count(*) FILTER (WHERE size < $3) >= $4
          LIMIT $5",
        BLOCK_SIZE,
        BLOCK_BYTES,
        MERGED_SIZE,
        MERGED_ROWS,
        MAX_ORGS
    )
    .fetch_all(connection)
    .await?;
    Ok(orgs.into_iter().map(OrgId).collect())
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
    rows.sort_by_key(|row| (row.oldest, row.first));
    let events: i64 = rows.iter().map(|row| i64::from(row.size)).sum();
    let bytes: usize = rows.iter().map(|row| row.grams.len()).sum();
    if events >= BLOCK_SIZE || bytes as i64 >= BLOCK_BYTES {
        insert(connection, org, rows).await?;
        return Ok(true);
    }
    let mut rows = rows.into_iter();
    if let Some(mut merged) = rows.next() {
        rows.for_each(|row| merged.append(&row));
        pending::insert(connection, &[merged]).await?;
    }
    Ok(false)
}

async fn insert(connection: &mut PgConnection, org: OrgId, rows: Vec<Pending>) -> Result<(), sqlx::Error> {
    let Some(first) = rows.first().map(|row| row.first) else { return Ok(()) };
    let size: i32 = rows.iter().map(|row| row.size).sum();
    let again: i32 = rows.iter().map(|row| row.again).sum();
    let oldest = rows.iter().map(|row| row.oldest).min();
    let newest = rows.iter().map(|row| row.newest).max();
    let entries: Vec<u8> = rows.iter().flat_map(|row| row.entries.iter().copied()).collect();
    sqlx::query!(
        "INSERT INTO captured_blocks (org_id, block, size, again, oldest, newest, entries)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        org.0,
        first,
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
            first,
            &buckets,
            &lists as &[&[u8]]
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Deletes the blocks and pending rows that contain one of these events, because their grams reveal its contents. The
/// other events of these blocks are no longer indexed then, and are added to the backlog.
pub(in crate::store) async fn dissolve(
    connection: &mut PgConnection,
    org: OrgId,
    events: &[Uuid],
    times: &[Timestamp],
) -> Result<(), sqlx::Error> {
    let blocks = sqlx::query_scalar!(
        r#"WITH deleted AS (SELECT id, at FROM UNNEST($2::uuid[], $3::timestamptz[]) AS deleted (id, at)),
                pending AS (
             DELETE FROM captured_pending p
              WHERE p.org_id = $1
                AND EXISTS (SELECT FROM deleted
                             WHERE deleted.at BETWEEN p.oldest AND p.newest
                               AND position(uuid_send(deleted.id) IN p.entries) > 0)
           ), blocks AS (
             DELETE FROM captured_blocks b
              WHERE b.org_id = $1
                AND EXISTS (SELECT FROM deleted
                             WHERE deleted.at BETWEEN b.oldest AND b.newest
                               AND position(uuid_send(deleted.id) IN b.entries) > 0)
             RETURNING b.block
           ), backlog AS (
             INSERT INTO captured_backlog (org_id, at, event_id)
             SELECT $1, 'epoch', '00000000-0000-0000-0000-000000000000'
                 ON CONFLICT (org_id) DO UPDATE SET at = EXCLUDED.at, event_id = EXCLUDED.event_id
           )
           SELECT block AS "block!" FROM blocks"#,
        org.0,
        events,
        times
    )
    .fetch_all(&mut *connection)
    .await?;
    if !blocks.is_empty() {
        sqlx::query!("DELETE FROM captured_grams WHERE org_id = $1 AND block = ANY ($2)", org.0, &blocks)
            .execute(connection)
            .await?;
    }
    Ok(())
}
