//! Changes sessions without locks, in two statements: one reads them, and one writes them and their events, as far as
//! nothing has changed them in between. A session that the same connection wrote a moment ago is not read again.
//!
//! The write compares the `xmin` of each row, the transaction that wrote it, because every update changes it, whichever
//! statement makes it. New events have the numbers after the session's counter, which is read together with the row. A
//! counter that moved without the row, as earlier versions of the service do it, would number an event twice, and the
//! primary key of the events rejects that.
//!
//! The rest is left to [`super::change`], which locks: sessions that were changed meanwhile, batches with an event that
//! exists, and rare changes that concern other tables as well.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::change::{Answer, Request, new_events};
use super::changing::{ChangingSession, ChangingSessions};
use super::write::Columns;
use super::{RowKey, SessionRow, aliases};
use crate::domain::event::Numbering;
use crate::domain::{DialectName, Event, OrgId, Session, Timestamp};
use crate::store::bytes::Weighed;
use crate::store::error::is_unique_violation;
use crate::store::events;
use crate::store::feed::FeedKind;
use crate::store::recent::Recent;
use crate::store::scope::WriterConnection;

/// Changes sessions, and settles the requests that are done by that: all but those that need locks.
pub(super) async fn change(
    writer: &mut WriterConnection<RecentSessions>,
    requests: &[&Request],
) -> Result<(), sqlx::Error> {
    // Only under locks it can be determined whether an earlier attempt has made a change.
    if requests.iter().any(|request| request.has_run()) {
        return Ok(());
    }
    let keys = RowKey::sorted(requests.iter().map(|request| request.key));
    let orgs = RowKey::organizations(&keys);
    let recent = recent(&mut writer.memory, requests, &keys);
    let outdated = attempt(writer, requests, &keys, &orgs, recent).await?;
    if !outdated.is_empty() {
        let keys = RowKey::sorted(outdated.iter().map(|request| request.key));
        attempt(writer, &outdated, &keys, &orgs, HashMap::new()).await?;
    }
    Ok(())
}

/// Takes what is remembered of these sessions, as far as it suffices for the requests.
fn recent(memory: &mut RecentSessions, requests: &[&Request], keys: &[RowKey]) -> HashMap<RowKey, Read> {
    let mut recent = memory.take(keys);
    for request in requests.iter().filter(|request| request.may_append()) {
        if recent.get(&request.key).is_some_and(|read| read.numbering.is_none()) {
            recent.remove(&request.key);
        }
    }
    recent
}

/// Changes sessions, computed from `read` and, for those that are not in it, from their rows. Returns the requests that
/// were computed from a session of `read` which may be outdated. Nothing of them was written, nor of those that need
/// locks.
async fn attempt<'r>(
    writer: &mut WriterConnection<RecentSessions>,
    requests: &[&'r Request],
    keys: &[RowKey],
    orgs: &[OrgId],
    mut read: HashMap<RowKey, Read>,
) -> Result<Vec<&'r Request>, sqlx::Error> {
    let remembered: HashSet<RowKey> = read.keys().copied().collect();
    let unread: Vec<RowKey> = keys.iter().filter(|key| !remembered.contains(key)).copied().collect();
    let mut connection = writer.narrowed(orgs).await?;
    if !unread.is_empty() {
        let with_numbers = requests.iter().any(|request| request.may_append());
        read.extend(self::read(&mut connection, &unread, with_numbers).await?);
    }
    let mut sessions = ChangingSessions::of(read.iter().map(|(key, read)| (*key, read.session.clone())));
    let mut answers: Vec<Option<Answer>> = Vec::with_capacity(requests.len());
    for request in requests {
        let session = sessions.get(&request.key).zip(read.get_mut(&request.key));
        answers.push(session.map(|(session, read)| {
            // Without numbers none of the requests appends.
            let mut unused = Numbering::START;
            let answer = session.apply(request, read.numbering.as_mut().unwrap_or(&mut unused));
            // A session that is only appended to is written as well, because its row orders the appends.
            if !answer.new_events().is_empty() {
                session.last_change.get_or_insert(request.nonce);
            }
            answer
        }));
    }

    let changed = sessions.changed();
    let (written, left): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, session)| is_plain(session));
    let mut left: HashSet<RowKey> = left.into_iter().map(|(key, _)| key).collect();
    let places: HashMap<RowKey, i64> = written.iter().map(|(key, _)| *key).zip(1..).collect();
    let events: Vec<(RowKey, &Event)> =
        new_events(requests, &answers).filter(|(key, _)| places.contains_key(key)).collect();
    let (versions, is_compared) = match write(&mut connection, &written, &events, &places, &read).await {
        Ok(versions) => {
            connection.done().await?;
            (versions.into_iter().collect::<HashMap<i64, i64>>(), true)
        }
        // An event exists. Whether the sessions were current, nothing has shown.
        Err(error) if is_unique_violation(&error) => (HashMap::new(), false),
        Err(error) => return Err(error),
    };
    let mut current: HashSet<RowKey> = HashSet::with_capacity(written.len());
    for ((key, session), place) in written.iter().zip(1..) {
        let Some(version) = versions.get(&place) else {
            left.insert(*key);
            continue;
        };
        current.insert(*key);
        let numbering = read.get(key).and_then(|read| read.numbering);
        let remember = || Read { session: session.now.clone(), version: *version, numbering };
        writer.memory.put(*key, session.now.text_bytes(), remember);
    }
    let mut compared = written.iter().map(|(key, _)| key).filter(|key| remembered.contains(key)).peekable();
    if is_compared && compared.peek().is_some() {
        writer.memory.judge(compared.all(|key| current.contains(key)));
    }

    let mut outdated = Vec::new();
    for (request, answer) in requests.iter().zip(answers) {
        if remembered.contains(&request.key) && !current.contains(&request.key) {
            request.was_not_stored();
            outdated.push(*request);
        } else if left.contains(&request.key) {
            request.was_not_stored();
        } else {
            request.settle(answer);
        }
    }
    Ok(outdated)
}

/// Returns whether a change concerns nothing but the session's row, its events and the feed.
fn is_plain(session: &ChangingSession) -> bool {
    !session.now.is_erased && !session.has_ended() && !session.takes_turn && aliases::new_user(session).is_none()
}

/// The sessions that a writer's connection has changed.
pub type RecentSessions = Recent<Read>;

/// A session as it was read or written.
pub struct Read {
    session: Session,
    /// The row's `xmin`.
    version: i64,
    /// `None` if it was not read.
    numbering: Option<Numbering>,
}

/// Reads sessions, and the last numbers of their events if `with_numbers`. Sessions that do not exist are missing.
async fn read(
    connection: &mut PgConnection,
    keys: &[RowKey],
    with_numbers: bool,
) -> Result<HashMap<RowKey, Read>, sqlx::Error> {
    let columns = RowKey::columns(keys);
    let rows = sqlx::query!(
        r#"SELECT s.org_id AS "org_id!", s.dialect AS "dialect!", s.session_id AS "session_id!", s.agent_id,
                  s.public_id AS "public_id!", s.nonce AS "nonce!", s.ended_at, s.enabled AS "enabled!", s.kind,
                  s.user_id, s.name, s.description, s.metadata::text, s.detail::text AS "detail!",
                  s.created_at AS "created_at!", s.updated_at AS "updated_at!", s.expires_at, s.expiry_reported_at,
                  s.turn::text, s.last_change, s.xmin::text::bigint AS "version!", c.last_number AS "last_number?",
                  c.last_at AS "last_at?"
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)
             JOIN sessions s USING (org_id, dialect, session_id)
             LEFT JOIN session_counters c ON $4 AND c.org_id = wanted.org_id AND c.dialect = wanted.dialect
                                         AND c.session_id = wanted.session_id"#,
        &columns.orgs,
        &columns.dialects,
        &columns.ids,
        with_numbers
    )
    .fetch_all(connection)
    .await?;
    let mut read = HashMap::with_capacity(rows.len());
    for row in rows {
        let key = RowKey::of(row.org_id, row.dialect, row.session_id);
        let numbering = Numbering { last_number: row.last_number.unwrap_or(0), last_at: row.last_at };
        let version = row.version;
        let session = Session::try_from(SessionRow {
            org_id: row.org_id,
            dialect: row.dialect,
            session_id: row.session_id,
            agent_id: row.agent_id,
            public_id: row.public_id,
            nonce: row.nonce,
            ended_at: row.ended_at,
            enabled: row.enabled,
            kind: row.kind,
            user_id: row.user_id,
            name: row.name,
            description: row.description,
            metadata: row.metadata,
            detail: row.detail,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
            expiry_reported_at: row.expiry_reported_at,
            turn: row.turn,
            last_change: row.last_change,
        });
        let session = session.map_err(|error| sqlx::Error::Decode(error.into()))?;
        read.insert(key, Read { session, version, numbering: with_numbers.then_some(numbering) });
    }
    Ok(read)
}

/// The statement that updates the sessions that have not changed, before the given text. Its parameters are `$1` to
/// `$19`.
macro_rules! updated {
    ($sessions:expr, $new:expr, $read:expr, $connection:expr, $behind:literal $(, $argument:expr)*) => {{
        let versions: Vec<i64> = $sessions.iter().filter_map(|(key, _)| Some($read.get(key)?.version)).collect();
        let turns = $new.turns();
        sqlx::query!(
            r#"WITH changed AS (
                   UPDATE sessions s
                      SET enabled = new.enabled, name = new.name, description = new.description,
                          metadata = CASE WHEN new.keeps_metadata THEN s.metadata ELSE new.metadata::json END,
                          detail = new.detail::json, updated_at = new.updated_at, expires_at = new.expires_at,
                          ended_at = new.ended_at, expiry_reported_at = new.expiry_reported_at,
                          last_change = new.last_change, turn = new.turn::json
                     FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::boolean[], $5::text[], $6::text[],
                                 $7::boolean[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[],
                                 $12::timestamptz[], $13::timestamptz[], $14::uuid[], $15::text[], $16::bigint[])
                          WITH ORDINALITY
                       AS new (org_id, dialect, session_id, enabled, name, description, keeps_metadata, metadata,
                               detail, updated_at, expires_at, ended_at, expiry_reported_at, last_change, turn,
                               version, place)
                    WHERE s.org_id = new.org_id AND s.dialect = new.dialect AND s.session_id = new.session_id
                      AND s.xmin::text::bigint = new.version
                   RETURNING new.place, s.xmin::text::bigint AS version
               ), followed AS MATERIALIZED (
                   SELECT f.org_id FROM feed_followers f
                    WHERE f.org_id = ANY ($1) AND (f.until IS NULL OR f.until > now())
               ), told AS (
                   INSERT INTO session_feed (org_id, place, dialect, session_id, kind, at)
                   SELECT org_id, ($19 + place)::int, dialect, session_id, kind, updated_at
                     FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $10::timestamptz[], $17::smallint[])
                          WITH ORDINALITY AS new (org_id, dialect, session_id, updated_at, kind, place)
                    WHERE kind IS NOT NULL AND (dialect = $18 OR org_id IN (SELECT org_id FROM followed))
                      AND (place IN (SELECT place FROM changed)) IS TRUE
               )"#
                + $behind
                + r#" SELECT place AS "place!", version AS "version!" FROM changed"#,
            &$new.keys.orgs,
            &$new.keys.dialects,
            &$new.keys.ids,
            &$new.enabled,
            &$new.names as &[Option<&str>],
            &$new.descriptions as &[Option<&str>],
            &$new.keeps_metadata,
            &$new.metadata as &[Option<&str>],
            &$new.details as &[&str],
            &$new.updated,
            &$new.expires as &[Option<Timestamp>],
            &$new.ended as &[Option<Timestamp>],
            &$new.reported as &[Option<Timestamp>],
            &$new.changes as &[Option<uuid::Uuid>],
            &turns as &[Option<&str>],
            &versions,
            &$new.kinds as &[Option<i16>],
            DialectName::WITH_FEED.code(),
            FeedKind::Updated.first_place()
            $(, $argument)*
        )
        .map(|row| (row.place, row.version))
        .fetch_all($connection)
        .await
    }};
}

/// Writes the sessions that nothing has changed since they were read, with their events, counters, and entries of the
/// feed. `places` are the sessions' places in the list, counted from 1. Returns the places of those that were written, and
/// their new versions.
async fn write(
    connection: &mut PgConnection,
    sessions: &[(RowKey, &ChangingSession)],
    events: &[(RowKey, &Event)],
    places: &HashMap<RowKey, i64>,
    read: &HashMap<RowKey, Read>,
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let new = Columns::of(sessions)?;
    if events.is_empty() {
        return updated!(sessions, new, read, connection, "");
    }
    let appended = events::Columns::of(events);
    let event_places: Vec<i64> = events.iter().filter_map(|(key, _)| places.get(key).copied()).collect();
    let appended_to: HashSet<RowKey> = events.iter().map(|(key, _)| *key).collect();
    let numberings = || sessions.iter().map(|(key, _)| read.get(key).filter(|_| appended_to.contains(key))?.numbering);
    let last_numbers: Vec<Option<i64>> = numberings().map(|numbering| Some(numbering?.last_number)).collect();
    let last_times: Vec<Option<Timestamp>> = numberings().map(|numbering| numbering?.last_at).collect();
    updated!(
        sessions,
        new,
        read,
        connection,
        ", counted AS (
             INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
             SELECT org_id, dialect, session_id, last_number, last_at
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $20::bigint[], $21::timestamptz[])
                    WITH ORDINALITY AS new (org_id, dialect, session_id, last_number, last_at, place)
              WHERE last_number IS NOT NULL AND (place IN (SELECT place FROM changed)) IS TRUE
                 ON CONFLICT (org_id, dialect, session_id)
                 DO UPDATE SET last_number = EXCLUDED.last_number, last_at = EXCLUDED.last_at
         ), appended AS (
             INSERT INTO session_events (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind,
                                         author_id, content, payload, hidden, created_at)
             SELECT org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                    payload::json, hidden, created_at
               FROM UNNEST($22::uuid[], $23::smallint[], $24::uuid[], $25::bigint[], $26::uuid[], $27::text[],
                           $28::uuid[], $29::text[], $30::text[], $31::text[], $32::text[], $33::boolean[],
                           $34::timestamptz[], $35::bigint[])
                 AS new (org_id, dialect, session_id, number, event_id, public_id, parent_id, kind, author_id, content,
                         payload, hidden, created_at, place)
              WHERE (place IN (SELECT place FROM changed)) IS TRUE
         ), told_events AS (
             INSERT INTO session_feed (org_id, place, dialect, session_id, kind, event_number, at)
             SELECT org_id, ($37 + event_place)::int, dialect, session_id, $36, number, created_at
               FROM UNNEST($22::uuid[], $23::smallint[], $24::uuid[], $25::bigint[], $33::boolean[],
                           $34::timestamptz[], $35::bigint[])
                    WITH ORDINALITY
                 AS new (org_id, dialect, session_id, number, hidden, created_at, place, event_place)
              WHERE NOT hidden AND (dialect = $18 OR org_id IN (SELECT org_id FROM followed))
                AND (place IN (SELECT place FROM changed)) IS TRUE
         )",
        &last_numbers as &[Option<i64>],
        &last_times as &[Option<Timestamp>],
        &appended.keys.orgs,
        &appended.keys.dialects,
        &appended.keys.ids,
        &appended.numbers,
        &appended.ids,
        &appended.public_ids as &[Option<&str>],
        &appended.parents as &[Option<uuid::Uuid>],
        &appended.kinds as &[&str],
        &appended.authors as &[Option<&str>],
        &appended.contents as &[Option<&str>],
        &appended.payloads as &[&str],
        &appended.hidden,
        &appended.created,
        &event_places,
        FeedKind::Appended.code(),
        FeedKind::Appended.first_place()
    )
}
