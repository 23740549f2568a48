//! Appends events. The caller has locked the sessions; numbers are assigned and stored here.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::row::EventRow;
use crate::domain::event::Numbering;
use crate::domain::{DialectName, Event, EventId, Timestamp};
use crate::store::feed::FeedKind;
use crate::store::sessions::{KeyColumns, RowKey};

/// Returns which of these events exist.
pub async fn known(
    connection: &mut PgConnection,
    wanted: &[(RowKey, EventId)],
) -> Result<HashMap<(RowKey, EventId), Event>, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = RowKey::columns(wanted.iter().map(|(key, _)| key));
    let ids: Vec<Uuid> = wanted.iter().map(|(_, id)| id.0).collect();
    let rows = sqlx::query_as!(
        EventRow,
        r#"SELECT e.org_id AS "org_id!", e.dialect AS "dialect!", e.session_id AS "session_id!", e.number AS "number!",
                  e.event_id AS "event_id!", e.public_id, e.parent_id, e.kind AS "kind!", e.author_id, e.content,
                  e.payload::text AS "payload!", e.hidden AS "hidden!", e.created_at AS "created_at!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::uuid[])
               AS wanted (org_id, dialect, session_id, event_id)
             JOIN session_events e USING (org_id, dialect, session_id, event_id)"#,
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &ids
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let key = row.key();
            let event = Event::try_from(row).map_err(|error| sqlx::Error::Decode(error.into()))?;
            Ok(((key, event.id), event))
        })
        .collect()
}

/// Returns the last number and time of each session; sessions without an event are missing. The counters are locked in
/// the order of `keys`.
pub async fn numberings(
    connection: &mut PgConnection,
    keys: &[RowKey],
) -> Result<HashMap<RowKey, Numbering>, sqlx::Error> {
    let columns = RowKey::columns(keys);
    let rows = sqlx::query!(
        r#"SELECT c.org_id AS "org_id!", c.dialect AS "dialect!", c.session_id AS "session_id!",
                  c.last_number AS "last_number!", c.last_at AS "last_at!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)
             JOIN session_counters c USING (org_id, dialect, session_id)
            ORDER BY c.org_id, c.dialect, c.session_id
              FOR UPDATE OF c"#,
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let numbering = Numbering { last_number: row.last_number, last_at: Some(row.last_at) };
            (RowKey::of(row.org_id, row.dialect, row.session_id), numbering)
        })
        .collect())
}

/// Events as the columns of a statement.
pub struct Columns<'e> {
    pub keys: KeyColumns,
    pub numbers: Vec<i64>,
    pub ids: Vec<Uuid>,
    pub public_ids: Vec<Option<&'e str>>,
    pub parents: Vec<Option<Uuid>>,
    pub kinds: Vec<&'e str>,
    pub authors: Vec<Option<&'e str>>,
    pub contents: Vec<Option<&'e str>>,
    pub payloads: Vec<&'e str>,
    pub hidden: Vec<bool>,
    pub created: Vec<Timestamp>,
}

impl<'e> Columns<'e> {
    pub fn of(events: &[(RowKey, &'e Event)]) -> Self {
        let texts = |of: fn(&Event) -> Option<&str>| -> Vec<Option<&'e str>> {
            events.iter().map(|(_, event)| of(event)).collect()
        };
        Self {
            keys: RowKey::columns(events.iter().map(|(key, _)| key)),
            numbers: events.iter().map(|(_, event)| event.number).collect(),
            ids: events.iter().map(|(_, event)| event.id.0).collect(),
            public_ids: texts(|event| event.public_id.as_deref()),
            parents: events.iter().map(|(_, event)| event.parent.map(|id| id.0)).collect(),
            kinds: events.iter().map(|(_, event)| event.kind.as_str()).collect(),
            authors: texts(|event| event.author_id.as_deref()),
            contents: texts(|event| event.content.as_deref()),
            payloads: events.iter().map(|(_, event)| event.payload.as_str()).collect(),
            hidden: events.iter().map(|(_, event)| event.hidden).collect(),
            created: events.iter().map(|(_, event)| event.created_at).collect(),
        }
    }
}

/// Writes numbered events and the new counters of their sessions, and their entries of the feed, in one statement.
/// Called once per transaction, because the entries are numbered within it.
pub async fn append(
    connection: &mut PgConnection,
    events: &[(RowKey, &Event)],
    numberings: &HashMap<RowKey, Numbering>,
) -> Result<(), sqlx::Error> {
    let new = Columns::of(events);
    let counters = RowKey::columns(numberings.keys());
    let last_numbers: Vec<i64> = numberings.values().map(|numbering| numbering.last_number).collect();
    let last_times: Vec<Option<Timestamp>> = numberings.values().map(|numbering| numbering.last_at).collect();
    sqlx::query!(
        "WITH counted AS (
             INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
             SELECT * FROM UNNEST($13::uuid[], $14::smallint[], $15::uuid[], $16::bigint[], $17::timestamptz[])
                 ON CONFLICT (org_id, dialect, session_id)
                 DO UPDATE SET last_number = EXCLUDED.last_number, last_at = EXCLUDED.last_at
         ), followed AS MATERIALIZED (
             SELECT f.org_id FROM feed_followers f
              WHERE f.org_id = ANY ($1) AND (f.until IS NULL OR f.until > now())
         ), told AS (
             INSERT INTO session_feed (org_id, place, dialect, session_id, kind, event_number, at)
             SELECT org_id, ($20 + place)::int, dialect, session_id, $19, number, created_at
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $12::boolean[], $18::timestamptz[])
                    WITH ORDINALITY AS new (org_id, dialect, session_id, number, hidden, created_at, place)
              WHERE NOT hidden AND (dialect = $21 OR org_id IN (SELECT org_id FROM followed))
         )
         INSERT INTO session_events (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind,
                                     author_id, content, payload, hidden, created_at)
         SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                payload::json, hidden, created_at
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[], $7::uuid[],
                       $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $18::timestamptz[])
             AS new (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                     payload, hidden, created_at)",
        &new.keys.orgs,
        &new.keys.dialects,
        &new.keys.ids,
        &new.numbers,
        &new.ids,
        &new.public_ids as &[Option<&str>],
        &new.parents as &[Option<Uuid>],
        &new.kinds as &[&str],
        &new.authors as &[Option<&str>],
        &new.contents as &[Option<&str>],
        &new.payloads as &[&str],
        &new.hidden,
        &counters.orgs,
        &counters.dialects,
        &counters.ids,
        &last_numbers,
        &last_times as &[Option<Timestamp>],
        &new.created,
        FeedKind::Appended.code(),
        FeedKind::Appended.first_place(),
        DialectName::WITH_FEED.code()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes numbered events without the counters of their sessions. Returns how many were written: those whose number or id
/// is in use are left out.
pub async fn insert(connection: &mut PgConnection, events: &[(RowKey, &Event)]) -> Result<u64, sqlx::Error> {
    let new = Columns::of(events);
    let inserted = sqlx::query!(
        "INSERT INTO session_events (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind,
                                     author_id, content, payload, hidden, created_at)
         SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                payload::json, hidden, created_at
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[], $7::uuid[],
                       $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::timestamptz[])
             AS new (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                     payload, hidden, created_at)
             ON CONFLICT DO NOTHING",
        &new.keys.orgs,
        &new.keys.dialects,
        &new.keys.ids,
        &new.numbers,
        &new.ids,
        &new.public_ids as &[Option<&str>],
        &new.parents as &[Option<Uuid>],
        &new.kinds as &[&str],
        &new.authors as &[Option<&str>],
        &new.contents as &[Option<&str>],
        &new.payloads as &[&str],
        &new.hidden,
        &new.created
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}
