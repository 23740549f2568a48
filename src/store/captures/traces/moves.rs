//! Moves events from one session to another.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use uuid::Uuid;

use super::changes::{Change, Changes};
use crate::domain::event::Numbering;
use crate::domain::{EventId, OrgId, Timestamp};
use crate::store::captures::DIALECT;
use crate::store::sessions::RowKey;

/// Limit of a session's last number up to which its other events are renumbered when some leave it. A longer session
/// has gaps then.
const MAX_RENUMBERED: i64 = 20_000;
/// Added to numbers while events are renumbered, so that no two are equal.
const ASIDE: i64 = 1_000_000_000_000;

fn sources(changes: &Changes<'_>) -> Vec<RowKey> {
    let sources: BTreeSet<RowKey> = changes.moves().map(Change::source).collect();
    sources.into_iter().collect()
}

/// Locks the sessions that events leave, because some of them are hidden after their counters are locked.
pub async fn lock_sources(connection: &mut PgConnection, changes: &Changes<'_>) -> Result<(), sqlx::Error> {
    let sources = sources(changes);
    if sources.is_empty() {
        return Ok(());
    }
    let columns = RowKey::columns(&sources);
    sqlx::query!(
        r#"SELECT s.session_id AS "session_id!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)
             JOIN sessions s USING (org_id, dialect, session_id)
            ORDER BY s.org_id, s.dialect, s.session_id
              FOR UPDATE OF s"#,
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

struct Moving {
    org_id: Uuid,
    event_id: Uuid,
    number: i64,
}

/// Moves events after those of their new sessions, in their order. An emptied session is not deleted, so that a
/// concurrent writer finds it. It is hidden unless it was captured itself.
pub async fn carry_out(
    connection: &mut PgConnection,
    changes: &Changes<'_>,
    numberings: &mut HashMap<RowKey, Numbering>,
) -> Result<(), sqlx::Error> {
    let moves: Vec<&Change<'_>> = changes.moves().collect();
    if moves.is_empty() {
        return Ok(());
    }
    let orgs: Vec<Uuid> = moves.iter().map(|change| change.org.0).collect();
    let from: Vec<Uuid> = moves.iter().map(|change| change.from.0).collect();
    let ids: Vec<Uuid> = moves.iter().map(|change| change.id.0).collect();
    let moving = sqlx::query_as!(
        Moving,
        r#"SELECT e.org_id AS "org_id!", e.event_id AS "event_id!", e.number AS "number!"
             FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[]) AS wanted (org_id, session_id, event_id)
             JOIN session_events e ON e.org_id = wanted.org_id AND e.dialect = $4
                                  AND e.session_id = wanted.session_id AND e.event_id = wanted.event_id
            ORDER BY e.number"#,
        &orgs,
        &from,
        &ids,
        DIALECT.code()
    )
    .fetch_all(&mut *connection)
    .await?;
    let of: HashMap<(OrgId, EventId), &Change<'_>> =
        moves.iter().map(|change| ((change.org, change.id), *change)).collect();
    let mut left: HashMap<RowKey, i64> = HashMap::new();
    let mut moved: Vec<(&Change<'_>, i64, Timestamp)> = Vec::with_capacity(moving.len());
    for row in moving {
        let Some(change) = of.get(&(OrgId(row.org_id), EventId(row.event_id))) else { continue };
        let earliest = numberings.get(&change.source()).and_then(|numbering| numbering.last_at);
        let numbering = numberings.entry(change.target()).or_insert(Numbering::START);
        let (number, at) = numbering.next(earliest.unwrap_or_default());
        *left.entry(change.source()).or_default() += 1;
        moved.push((*change, number, at));
        debug_assert!(row.number > 0);
    }
    write(connection, &moved).await?;
    for (key, count) in &left {
        let Some(numbering) = numberings.get_mut(key) else { continue };
        if numbering.last_number <= MAX_RENUMBERED {
            numbering.last_number -= count;
            if numbering.last_number > 0 {
                renumber(connection, *key).await?;
            }
        }
    }
    let mut touched: Vec<RowKey> = left.keys().copied().chain(changes.targets()).collect();
    touched.sort_unstable();
    touched.dedup();
    settle(connection, &touched, numberings).await?;
    let emptied: Vec<RowKey> = {
        let is_empty = |key: &RowKey| numberings.get(key).is_some_and(|numbering| numbering.last_number == 0);
        sources(changes).into_iter().filter(is_empty).collect()
    };
    hide(connection, &emptied).await
}

async fn write(connection: &mut PgConnection, moved: &[(&Change<'_>, i64, Timestamp)]) -> Result<(), sqlx::Error> {
    let orgs: Vec<Uuid> = moved.iter().map(|(change, ..)| change.org.0).collect();
    let from: Vec<Uuid> = moved.iter().map(|(change, ..)| change.from.0).collect();
    let to: Vec<Uuid> = moved.iter().map(|(change, ..)| change.to.0).collect();
    let ids: Vec<Uuid> = moved.iter().map(|(change, ..)| change.id.0).collect();
    let numbers: Vec<i64> = moved.iter().map(|(_, number, _)| *number).collect();
    let times: Vec<Timestamp> = moved.iter().map(|(.., at)| *at).collect();
    sqlx::query!(
        "UPDATE session_events e SET session_id = new.session_id, number = new.number, created_at = new.created_at
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::timestamptz[])
             AS new (org_id, source_id, session_id, event_id, number, created_at)
          WHERE e.org_id = new.org_id AND e.dialect = $7 AND e.session_id = new.source_id
            AND e.event_id = new.event_id",
        &orgs,
        &from,
        &to,
        &ids,
        &numbers,
        &times,
        DIALECT.code()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Numbers a session's events from 1 without gaps.
async fn renumber(connection: &mut PgConnection, key: RowKey) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE session_events e SET number = $4 + numbered.place
           FROM (SELECT number, row_number() OVER (ORDER BY number) AS place FROM session_events
                  WHERE org_id = $1 AND dialect = $2 AND session_id = $3) numbered
          WHERE e.org_id = $1 AND e.dialect = $2 AND e.session_id = $3 AND e.number = numbered.number
            AND numbered.place <> numbered.number",
        key.org.0,
        key.dialect,
        key.id.0,
        ASIDE
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE session_events SET number = number - $4
          WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND number > $4",
        key.org.0,
        key.dialect,
        key.id.0,
        ASIDE
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores the last numbers and times of sessions.
async fn settle(
    connection: &mut PgConnection,
    keys: &[RowKey],
    numberings: &HashMap<RowKey, Numbering>,
) -> Result<(), sqlx::Error> {
    let columns = RowKey::columns(keys);
    let numbering = |key: &RowKey| numberings.get(key).copied().unwrap_or(Numbering::START);
    let numbers: Vec<i64> = keys.iter().map(|key| numbering(key).last_number).collect();
    let times: Vec<Timestamp> = keys.iter().map(|key| numbering(key).last_at.unwrap_or_default()).collect();
    sqlx::query!(
        "UPDATE session_counters c SET last_number = new.last_number, last_at = new.last_at
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::timestamptz[])
             AS new (org_id, dialect, session_id, last_number, last_at)
          WHERE c.org_id = new.org_id AND c.dialect = new.dialect AND c.session_id = new.session_id",
        &columns.orgs,
        &columns.dialects,
        &columns.ids,
        &numbers,
        &times
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Hides implied sessions without events.
async fn hide(connection: &mut PgConnection, keys: &[RowKey]) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let columns = RowKey::columns(keys);
    sqlx::query!(
        "UPDATE sessions s SET enabled = false
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS emptied (org_id, dialect, session_id)
          WHERE s.org_id = emptied.org_id AND s.dialect = emptied.dialect AND s.session_id = emptied.session_id
            AND s.detail->>'implied' = 'true'",
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .execute(connection)
    .await?;
    Ok(())
}
