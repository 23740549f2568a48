//! Candidates of a search.

use std::collections::{BTreeSet, HashMap};

use futures::TryStreamExt;
use sqlx::PgConnection;
use uuid::Uuid;

use super::packing::{ENTRY, Entry, Slots, bucket_of, find_pending, read_bucket};
use crate::domain::grams::{ANY, looked_up};
use crate::domain::{OrgId, Timestamp};
use crate::store::captures::{CaptureFilter, Cursor};

/// Number of candidates after which a search stops.
const ENOUGH: usize = 4_000;
/// Bytes of pending grams that a search reads. There are more only if no worker has run for long.
const MAX_PENDING_BYTES: i64 = 32 * 1024 * 1024;
/// Blocks that are searched in the first step, and the limit for one step.
const FIRST_BLOCKS: usize = 2;
const MAX_BLOCKS: usize = 256;
/// If a block has at most this many candidates they are read one by one, otherwise its whole list is read.
const FEW: usize = 64;

/// Events that may contain a text. Every matching event of the window is among them, down to the oldest candidate.
pub struct Candidates {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Whether they cover the whole window, or only its newest part.
    pub complete: bool,
}

/// Returns the newest candidates after `cursor`, or `None` when the index cannot be used: the text is too short, or not
/// every event is indexed. All statements of the transaction must see the same snapshot.
pub async fn find(
    connection: &mut PgConnection,
    org: OrgId,
    filter: &CaptureFilter,
    cursor: Option<Cursor>,
) -> Result<Option<Candidates>, sqlx::Error> {
    let Some(searches) = filter.searched_texts().map(|texts| texts.iter().map(|text| looked_up(text)).collect()) else {
        return Ok(None);
    };
    let searches: Vec<Vec<u32>> = searches;
    if searches.iter().any(Vec::is_empty) || !is_complete(connection, org).await? {
        return Ok(None);
    }
    let is_meant = |entry: &Entry| {
        entry.at >= filter.since && cursor.is_none_or(|cursor| (entry.at, entry.id) < (cursor.at, cursor.id))
    };
    let mut entries = pending(connection, org, filter.since, &searches).await?;
    entries.retain(is_meant);
    let until = cursor.map(|cursor| cursor.at);
    let blocks = sqlx::query!(
        "SELECT block, newest FROM captured_blocks
          WHERE org_id = $1 AND newest >= $2 AND ($3::timestamptz IS NULL OR oldest <= $3)
          ORDER BY newest DESC, block",
        org.0,
        filter.since,
        until
    )
    .fetch_all(&mut *connection)
    .await?;
    let (mut from, mut step) = (0, FIRST_BLOCKS);
    while from < blocks.len() {
        // The remaining blocks have no event newer than this.
        let bound = blocks[from].newest;
        if entries.iter().filter(|entry| entry.at > bound).count() >= ENOUGH {
            entries.retain(|entry| entry.at > bound);
            sort(&mut entries);
            return Ok(Some(Candidates { entries, complete: false }));
        }
        let until = (from + step).min(blocks.len());
        let ids: Vec<Uuid> = blocks[from..until].iter().map(|row| row.block).collect();
        let slots = slots(connection, org, &ids, &searches).await?;
        let mut found = read(connection, org, slots).await?;
        found.retain(is_meant);
        entries.append(&mut found);
        (from, step) = (until, (step * 4).min(MAX_BLOCKS));
    }
    sort(&mut entries);
    Ok(Some(Candidates { entries, complete: true }))
}

/// Sorts candidates, newest first, and removes duplicates, which reindexed events cause.
fn sort(entries: &mut Vec<Entry>) {
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
    entries.dedup();
}

/// Returns whether every event is in a block or a pending row. The totals show how many events there are.
async fn is_complete(connection: &mut PgConnection, org: OrgId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(events) = sum(size) AND sum(events) > 0 AND sum(bytes) <= $2, false) AS "complete!"
             FROM (SELECT events, 0 AS size, 0 AS bytes FROM captured_sums WHERE org_id = $1 AND NOT monthly
                   UNION ALL
                   SELECT events, 0, 0 FROM captured_totals WHERE org_id = $1 AND daily AND shard >= 0
                   UNION ALL
                   SELECT 0, size - again, 0 FROM captured_blocks WHERE org_id = $1
                   UNION ALL
                   SELECT 0, size - again, octet_length(grams) FROM captured_pending WHERE org_id = $1) counted"#,
        org.0,
        MAX_PENDING_BYTES
    )
    .fetch_one(connection)
    .await
}

/// Returns the candidates among events that are in no block.
async fn pending(
    connection: &mut PgConnection,
    org: OrgId,
    since: Timestamp,
    searches: &[Vec<u32>],
) -> Result<Vec<Entry>, sqlx::Error> {
    let mut rows =
        sqlx::query!("SELECT entries, grams FROM captured_pending WHERE org_id = $1 AND newest >= $2", org.0, since)
            .fetch(connection);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let slots = find_pending(&row.grams, searches);
        found.extend(slots.into_iter().filter_map(|slot| entry(&row.entries, slot)));
    }
    Ok(found)
}

fn entry(entries: &[u8], slot: usize) -> Option<Entry> {
    Entry::read(entries.get(slot * ENTRY..(slot + 1) * ENTRY)?)
}

/// Returns which events of each block are candidates.
async fn slots(
    connection: &mut PgConnection,
    org: OrgId,
    blocks: &[Uuid],
    searches: &[Vec<u32>],
) -> Result<HashMap<Uuid, Slots>, sqlx::Error> {
    let is_wanted = |gram: u32| gram == ANY || searches.iter().any(|search| search.binary_search(&gram).is_ok());
    let grams = searches.iter().flatten().copied().chain([ANY]);
    let buckets: BTreeSet<i32> = grams.map(|gram| bucket_of(gram) as i32).collect();
    let buckets: Vec<i32> = buckets.into_iter().collect();
    let mut rows = sqlx::query!(
        r#"SELECT g.block AS "block!", g.bucket AS "bucket!", g.lists AS "lists!"
             FROM UNNEST($2::uuid[]) AS wanted (block)
             JOIN captured_grams g ON g.org_id = $1 AND g.block = wanted.block AND g.bucket = ANY ($3)"#,
        org.0,
        blocks,
        &buckets
    )
    .fetch(connection);
    let mut lists: HashMap<Uuid, HashMap<u32, Slots>> = HashMap::new();
    while let Some(row) = rows.try_next().await? {
        let found = read_bucket(row.bucket as u32, &row.lists, is_wanted);
        lists.entry(row.block).or_default().extend(found);
    }
    let found = lists.into_iter().map(|(block, lists)| {
        let mut found = lists.get(&ANY).cloned().unwrap_or_default();
        for search in searches {
            let mut all: Option<Slots> = None;
            for gram in search {
                let Some(list) = lists.get(gram) else {
                    all = None;
                    break;
                };
                match &mut all {
                    Some(all) => all.intersect(list),
                    None => all = Some(list.clone()),
                }
            }
            if let Some(all) = all {
                found.unite(&all);
            }
        }
        (block, found)
    });
    Ok(found.filter(|(_, slots)| slots.len() > 0).collect())
}

/// Reads the entries of candidates, one by one if a block has few.
async fn read(
    connection: &mut PgConnection,
    org: OrgId,
    slots: HashMap<Uuid, Slots>,
) -> Result<Vec<Entry>, sqlx::Error> {
    let (few, many): (Vec<_>, Vec<_>) = slots.into_iter().partition(|(_, slots)| slots.len() <= FEW);
    let mut found = Vec::new();
    if !few.is_empty() {
        let one_by_one = few.iter().flat_map(|(block, slots)| slots.iter().map(|slot| (*block, (slot * ENTRY) as i32)));
        let (blocks, offsets): (Vec<Uuid>, Vec<i32>) = one_by_one.unzip();
        let entries = sqlx::query_scalar!(
            r#"SELECT substr(b.entries, wanted.place + 1, $4) AS "entry!"
                 FROM UNNEST($2::uuid[], $3::integer[]) AS wanted (block, place)
                 JOIN captured_blocks b ON b.org_id = $1 AND b.block = wanted.block"#,
            org.0,
            &blocks,
            &offsets,
            ENTRY as i32
        )
        .fetch_all(&mut *connection)
        .await?;
        found.extend(entries.iter().filter_map(|bytes| Entry::read(bytes)));
    }
    let many: HashMap<Uuid, Slots> = many.into_iter().collect();
    if !many.is_empty() {
        let ids: Vec<Uuid> = many.keys().copied().collect();
        let mut rows = sqlx::query!(
            r#"SELECT b.block AS "block!", b.entries AS "entries!"
                 FROM UNNEST($2::uuid[]) AS wanted (block)
                 JOIN captured_blocks b ON b.org_id = $1 AND b.block = wanted.block"#,
            org.0,
            &ids
        )
        .fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let slots = many.get(&row.block).into_iter().flat_map(Slots::iter);
            found.extend(slots.filter_map(|slot| entry(&row.entries, slot)));
        }
    }
    Ok(found)
}
