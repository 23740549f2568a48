//! Writes captured events without locks, for sessions that exist and have events: one statement reads the numbers of
//! their last events, and one writes everything, if nothing has changed them in between. A session to which the same
//! connection wrote a moment ago is not read again.
//!
//! The rest is left to [`super::write`], which locks: first events of sessions, events that name the user of a session
//! without one, and batches with an event that is known or of which a session has changed meanwhile.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::add::{Totals, TotalsColumns};
use super::request::CaptureRequest;
use super::search::{self, PendingColumns};
use super::write::EventColumns;
use crate::domain::event::Numbering;
use crate::domain::{DialectName, Event, Timestamp};
use crate::store::error::{is_division_by_zero, is_unique_violation};
use crate::store::events;
use crate::store::feed::FeedKind;
use crate::store::recent::Recent;
use crate::store::scope::WriterConnection;
use crate::store::sessions::RowKey;

/// The sessions to which a writer's connection has captured events.
pub type RecentSessions = Recent<Read>;

/// Writes the events whose sessions allow it. Returns the requests that are done, all or none of those.
pub(super) async fn capture<'r>(
    writer: &mut WriterConnection<RecentSessions>,
    requests: &[&'r CaptureRequest],
) -> Result<Vec<&'r CaptureRequest>, sqlx::Error> {
    let keys = RowKey::sorted(requests.iter().map(|request| request.key()));
    let recent = writer.memory.take(&keys);
    if recent.is_empty() {
        return Ok(attempt(writer, requests, &keys, recent).await?.unwrap_or_default());
    }
    let written = attempt(writer, requests, &keys, recent).await?;
    writer.memory.judge(written.is_some());
    match written {
        Some(written) => Ok(written),
        None => Ok(attempt(writer, requests, &keys, HashMap::new()).await?.unwrap_or_default()),
    }
}

/// Writes the events of the sessions in `read`, and of those that are read now. Returns the requests that are done, or
/// `None` if something has changed since.
async fn attempt<'r>(
    writer: &mut WriterConnection<RecentSessions>,
    requests: &[&'r CaptureRequest],
    keys: &[RowKey],
    mut read: HashMap<RowKey, Read>,
) -> Result<Option<Vec<&'r CaptureRequest>>, sqlx::Error> {
    let orgs = RowKey::organizations(keys);
    let unread: Vec<RowKey> = keys.iter().filter(|key| !read.contains_key(key)).copied().collect();
    if !unread.is_empty() {
        let mut connection = writer.narrowed(&orgs).await?;
        read.extend(self::read(&mut connection, &unread).await?);
        connection.done().await?;
    }
    for request in requests {
        if request.capture.session.user_id.is_some() && read.get(&request.key()).is_some_and(|read| read.is_nameless) {
            read.remove(&request.key());
        }
    }
    let mut events = HashSet::new();
    let written: Vec<&CaptureRequest> =
        requests.iter().copied().filter(|request| read.contains_key(&request.key())).collect();
    // Of several events with one id the first counts; the locking way sorts that out.
    if written.is_empty() || !written.iter().all(|request| events.insert(request.event())) {
        return Ok(Some(Vec::new()));
    }
    let is_written = if unread.is_empty() {
        let mut connection = writer.narrowed(&orgs).await?;
        let is_written = write(&mut connection, &written, &mut read, Otherwise::Fail).await;
        if is_written.is_ok() {
            connection.done().await?;
        }
        is_written
    } else {
        let mut transaction = writer.begin(&orgs).await?;
        let is_written = write(&mut transaction, &written, &mut read, Otherwise::Return).await;
        if matches!(is_written, Ok(true)) {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        is_written
    };
    match is_written {
        Ok(true) => {
            for (key, read) in read {
                writer.memory.put(key, 0, || read);
            }
            Ok(Some(written))
        }
        Ok(false) => Ok(None),
        Err(error) if is_unique_violation(&error) || is_division_by_zero(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the statement that writes does if a session is not as it was read, or an event is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    /// It divides by zero, so that a statement which is a transaction of its own is rolled back. Postgres logs such
    /// errors, so this is for sessions that are remembered, whose pauses limit how often it happens.
    Fail,
    /// It returns `false`, and the transaction must be rolled back.
    Return,
}

/// What is known of a session with events.
pub struct Read {
    /// Whether it has no user, so that an event may name one.
    is_nameless: bool,
    numbering: Numbering,
}

/// Reads the sessions that exist and have events.
async fn read(connection: &mut PgConnection, keys: &[RowKey]) -> Result<HashMap<RowKey, Read>, sqlx::Error> {
    let columns = RowKey::columns(keys);
    let rows = sqlx::query!(
        r#"SELECT s.org_id AS "org_id!", s.dialect AS "dialect!", s.session_id AS "session_id!",
                  s.user_id IS NULL AS "is_nameless!", c.last_number AS "last_number!", c.last_at AS "last_at!"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)
             JOIN sessions s USING (org_id, dialect, session_id)
             JOIN session_counters c USING (org_id, dialect, session_id)
            WHERE c.last_number > 0"#,
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .fetch_all(connection)
    .await?;
    let read = rows.into_iter().map(|row| {
        let numbering = Numbering { last_number: row.last_number, last_at: Some(row.last_at) };
        (RowKey::of(row.org_id, row.dialect, row.session_id), Read { is_nameless: row.is_nameless, numbering })
    });
    Ok(read.collect())
}

/// Writes new events of these sessions with everything that is counted and indexed of them, and counts the events on in
/// `read`. Returns whether every session and event was as it was read.
async fn write(
    connection: &mut PgConnection,
    requests: &[&CaptureRequest],
    read: &mut HashMap<RowKey, Read>,
    otherwise: Otherwise,
) -> Result<bool, sqlx::Error> {
    let keys = RowKey::sorted(requests.iter().map(|request| request.key()));
    let mut numberings: HashMap<RowKey, Numbering> = read.iter().map(|(key, read)| (*key, read.numbering)).collect();
    let before: Vec<i64> = keys.iter().map(|key| numberings[key].last_number).collect();
    let before_at: Vec<Option<Timestamp>> = keys.iter().map(|key| numberings[key].last_at).collect();
    let nameless: Vec<bool> = keys.iter().map(|key| read[key].is_nameless).collect();
    let mut numbered: Vec<(RowKey, Event)> = Vec::with_capacity(requests.len());
    for request in requests {
        let event = request.capture.event.clone();
        let numbering = numberings.entry(request.key()).or_insert(Numbering::START);
        let (number, at) = numbering.next(event.at);
        numbered.push((request.key(), event.numbered(number, at)));
    }
    let after: Vec<i64> = keys.iter().map(|key| numberings[key].last_number).collect();
    let last_at: Vec<Option<Timestamp>> = keys.iter().map(|key| numberings[key].last_at).collect();
    let counters = RowKey::columns(&keys);
    let numbered: Vec<(RowKey, &Event)> = numbered.iter().map(|(key, event)| (*key, event)).collect();
    let appended = events::Columns::of(&numbered);
    let captured = EventColumns::of(requests);
    let totals = Totals::of(requests);
    let totals = TotalsColumns::of(&totals);
    let pending = search::of(requests);
    let pending = PendingColumns::of(&pending);
    let written = sqlx::query_scalar!(
        r#"WITH counted AS (
               UPDATE session_counters c SET last_number = new.after, last_at = new.last_at
                 FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                             $53::timestamptz[], $54::boolean[])
                   AS new (org_id, dialect, session_id, before, after, last_at, before_at, is_nameless)
                 JOIN sessions s ON s.org_id = new.org_id AND s.dialect = new.dialect AND s.session_id = new.session_id
                WHERE c.org_id = new.org_id AND c.dialect = new.dialect AND c.session_id = new.session_id
                  AND c.last_number = new.before AND c.last_at = new.before_at
                  AND (s.user_id IS NULL) = new.is_nameless
               RETURNING c.session_id
           ), fresh AS (
               INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms, untimed)
               SELECT new.org_id, new.event_id, new.session_id, new.at, new.kind, new.name, new.success,
                      new.latency_ms, new.untimed
                 FROM UNNEST($7::uuid[], $8::uuid[], $9::uuid[], $10::timestamptz[], $11::text[], $12::text[],
                             $13::boolean[], $14::bigint[], $15::boolean[])
                   AS new (org_id, event_id, session_id, at, kind, name, success, latency_ms, untimed)
                   ON CONFLICT (org_id, event_id) DO NOTHING
               RETURNING event_id
           ), appended AS (
               INSERT INTO session_events (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind,
                                           author_id, content, payload, hidden, created_at)
               SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                      payload::json, hidden, created_at
                 FROM UNNEST($16::uuid[], $17::smallint[], $18::uuid[], $19::bigint[], $20::uuid[], $21::text[],
                             $22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[], $27::boolean[],
                             $28::timestamptz[])
                   AS new (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id,
                           content, payload, hidden, created_at)
           ), followed AS MATERIALIZED (
               SELECT f.org_id FROM feed_followers f
                WHERE f.org_id = ANY ($1) AND (f.until IS NULL OR f.until > now())
           ), told AS (
               INSERT INTO session_feed (org_id, place, dialect, session_id, kind, event_number, at)
               SELECT org_id, ($30 + place)::int, dialect, session_id, $29, number, created_at
                 FROM UNNEST($16::uuid[], $17::smallint[], $18::uuid[], $19::bigint[], $27::boolean[],
                             $28::timestamptz[])
                      WITH ORDINALITY AS new (org_id, dialect, session_id, number, hidden, created_at, place)
                WHERE NOT hidden AND (dialect = $31 OR org_id IN (SELECT org_id FROM followed))
           ), totals AS (
               INSERT INTO captured_totals AS t (org_id, daily, bucket, kind, name, shard, events, errors, untimed,
                                                 latency_ms, latency_max)
               SELECT org_id, daily, bucket, kind, name, (pg_backend_pid() % 32)::smallint, events, errors, untimed,
                      latency_ms, latency_max
                 FROM UNNEST($32::uuid[], $33::boolean[], $34::timestamptz[], $35::text[], $36::text[], $37::bigint[],
                             $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[])
                   AS new (org_id, daily, bucket, kind, name, events, errors, untimed, latency_ms, latency_max)
                   ON CONFLICT (org_id, daily, bucket, kind, name, shard)
                   DO UPDATE SET events = t.events + EXCLUDED.events, errors = t.errors + EXCLUDED.errors,
                                 untimed = t.untimed + EXCLUDED.untimed,
                                 latency_ms = t.latency_ms + EXCLUDED.latency_ms,
                                 latency_max = GREATEST(t.latency_max, EXCLUDED.latency_max)
           ), pending AS (
               INSERT INTO captured_pending (org_id, pending, size, again, oldest, newest, entries, grams)
               SELECT org_id, COALESCE(pending, gen_random_uuid()), size, again, oldest, newest, entries, grams
                 FROM UNNEST($42::uuid[], $43::uuid[], $44::integer[], $45::integer[], $46::timestamptz[],
                             $47::timestamptz[], $48::bytea[], $49::bytea[])
                   AS new (org_id, pending, size, again, oldest, newest, entries, grams)
           )
           SELECT CASE WHEN (SELECT count(*) FROM counted) = $50 AND (SELECT count(*) FROM fresh) = $51 THEN 1
                       WHEN $52 THEN 1 / ((SELECT count(*) FROM counted) * 0)
                       ELSE 0 END AS "written!""#,
        &counters.orgs,
        &counters.dialects,
        &counters.ids,
        &before,
        &after,
        &last_at as &[Option<Timestamp>],
        &captured.orgs,
        &captured.ids,
        &captured.sessions,
        &captured.times,
        &captured.kinds as &[&str],
        &captured.names as &[&str],
        &captured.successes,
        &captured.latencies,
        &captured.untimed,
        &appended.keys.orgs,
        &appended.keys.dialects,
        &appended.keys.ids,
        &appended.numbers,
        &appended.ids,
        &appended.public_ids as &[Option<&str>],
        &appended.parents as &[Option<Uuid>],
        &appended.kinds as &[&str],
        &appended.authors as &[Option<&str>],
        &appended.contents as &[Option<&str>],
        &appended.payloads as &[&str],
        &appended.hidden,
        &appended.created,
        FeedKind::Appended.code(),
        FeedKind::Appended.first_place(),
        DialectName::WITH_FEED.code(),
        &totals.orgs,
        &totals.daily,
        &totals.buckets,
        &totals.kinds as &[&str],
        &totals.names as &[&str],
        &totals.events,
        &totals.errors,
        &totals.untimed,
        &totals.latencies,
        &totals.longest,
        &pending.orgs,
        &pending.ids as &[Option<Uuid>],
        &pending.sizes,
        &pending.again,
        &pending.oldest,
        &pending.newest,
        &pending.entries as &[&[u8]],
        &pending.grams as &[&[u8]],
        keys.len() as i64,
        requests.len() as i64,
        otherwise == Otherwise::Fail,
        &before_at as &[Option<Timestamp>],
        &nameless
    )
    .fetch_one(connection)
    .await?;
    for (key, numbering) in numberings {
        if let Some(read) = read.get_mut(&key) {
            read.numbering = numbering;
        }
    }
    Ok(written == 1)
}
