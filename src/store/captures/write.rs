//! Writes captured events in groups, and creates missing sessions.
//!
//! Every transaction takes its locks in one order: sessions, then counters, then events, then totals, each sorted by
//! its key. Every writer follows this order, so that no two writers deadlock.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::add::Totals;
use super::request::CaptureRequest;
use super::unlocked::RecentSessions;
use super::{search, shown, unlocked};
use crate::domain::event::Numbering;
use crate::domain::{Event, EventId, NewCapture, OrgId, Timestamp};
use crate::store::events;
use crate::store::group::Batch;
use crate::store::scope::WriterConnection;
use crate::store::sessions::{self, RowKey};
use crate::store::usage_days::{Amounts, Used};

pub enum CaptureEvents {}

impl Batch for CaptureEvents {
    const NAME: &'static str = "capture_event";
    type Request = CaptureRequest;
    type Answer = Captured;
    type Memory = RecentSessions;

    fn org(request: &CaptureRequest) -> OrgId {
        request.org
    }

    fn bytes(request: &CaptureRequest) -> usize {
        content_bytes(&request.capture) + request.capture.grams.bytes()
    }

    fn stored(request: &CaptureRequest, captured: &Captured) -> usize {
        if captured.is_new { content_bytes(&request.capture) } else { 0 }
    }

    fn used(request: &CaptureRequest, captured: &Captured) -> Option<Used> {
        let CaptureRequest { org, capture, used_by } = request;
        Some(Used {
            org: *org,
            at: capture.event.at,
            dialect: capture.session.dialect.into(),
            agent: capture.session.agent,
            key: *used_by,
            amounts: Amounts {
                sessions: captured.makes_session.into(),
                events: captured.is_new.into(),
                ..Amounts::default()
            },
        })
    }

    fn route(request: &CaptureRequest) -> u64 {
        request.key().route()
    }

    async fn run(
        writer: &mut WriterConnection<RecentSessions>,
        requests: &[&CaptureRequest],
    ) -> Result<Vec<Captured>, sqlx::Error> {
        let place = |request: &CaptureRequest| (request.key(), request.capture.event.id);
        let done: HashSet<(RowKey, EventId)> =
            unlocked::capture(writer, requests).await?.into_iter().map(place).collect();
        let is_done = |request: &CaptureRequest| done.contains(&place(request));
        let left: Vec<&CaptureRequest> = requests.iter().copied().filter(|request| !is_done(request)).collect();
        let locked = if left.is_empty() { Vec::new() } else { capture_locked(writer, &left).await? };
        let mut locked = locked.into_iter();
        let captured = requests.iter().map(|request| {
            let captured = if is_done(request) { None } else { locked.next() };
            captured.unwrap_or(Captured { is_new: true, makes_session: false })
        });
        Ok(captured.collect())
    }
}

/// Writes events while the counters of their sessions are locked, and creates missing sessions.
async fn capture_locked(
    writer: &mut WriterConnection<RecentSessions>,
    requests: &[&CaptureRequest],
) -> Result<Vec<Captured>, sqlx::Error> {
    let keys = RowKey::sorted(requests.iter().map(|request| request.key()));
    let orgs = RowKey::organizations(&keys);

    let mut attempts = 0;
    let (fresh, mut made) = loop {
        let mut transaction = writer.begin(&orgs).await?;
        let implied = imply_sessions(&mut transaction, sessions_of(requests)).await?;
        name_users(&mut transaction, users_of(requests)).await?;
        start_counters(&mut transaction, &keys).await?;
        let mut numberings = events::numberings(&mut transaction, &keys).await?;
        let emptied = shown::emptied(&numberings);
        if !emptied.is_empty() && attempts == 0 {
            // Sessions are locked before counters, so these are shown again in an earlier transaction.
            transaction.rollback().await?;
            let mut transaction = writer.begin(&orgs).await?;
            shown::show(&mut transaction, &emptied).await?;
            transaction.commit().await?;
            attempts += 1;
            continue;
        }
        let fresh = take_in(&mut transaction, requests).await?;
        let eventful: HashSet<RowKey> = fresh.iter().map(|request| request.key()).collect();
        let (made, vain): (Vec<RowKey>, Vec<RowKey>) = implied.into_iter().partition(|key| eventful.contains(key));
        shown::withdraw(&mut transaction, &vain).await?;
        append(&mut transaction, &fresh, &mut numberings).await?;
        Totals::of(&fresh).add(&mut transaction).await?;
        search::add(&mut transaction, &fresh).await?;
        transaction.commit().await?;
        break (fresh, made.into_iter().collect::<HashSet<RowKey>>());
    };
    let fresh: HashSet<*const CaptureRequest> = fresh.iter().map(|request| std::ptr::from_ref(*request)).collect();
    let captured = requests.iter().map(|request| {
        let is_new = fresh.contains(&std::ptr::from_ref(*request));
        Captured { is_new, makes_session: is_new && made.remove(&request.key()) }
    });
    Ok(captured.collect())
}

/// The outcome of a capture.
pub struct Captured {
    is_new: bool,
    /// Whether it is the first event of a session that did not exist.
    makes_session: bool,
}

/// Returns the bytes of a capture that its sender determines.
pub(super) fn content_bytes(capture: &NewCapture) -> usize {
    capture.session.bytes() + capture.event.bytes() + capture.facts.name.len()
}

fn sessions_of(requests: &[&CaptureRequest]) -> Vec<sessions::CreateRequest> {
    requests
        .iter()
        .map(|request| sessions::CreateRequest {
            org: request.org,
            session: request.capture.session.clone(),
            aliases: Vec::new(),
            used_by: None,
        })
        .collect()
}

fn users_of<'r>(requests: &[&'r CaptureRequest]) -> Vec<(RowKey, &'r str)> {
    let user = |request: &&'r CaptureRequest| Some((request.key(), request.capture.session.user_id.as_deref()?));
    requests.iter().filter_map(user).collect()
}

/// Creates the missing sessions. Returns the created ones. Of several with one key the first is created.
pub(super) async fn imply_sessions(
    connection: &mut PgConnection,
    mut implied: Vec<sessions::CreateRequest>,
) -> Result<Vec<RowKey>, sqlx::Error> {
    let key = |request: &sessions::CreateRequest| RowKey::new(request.org, request.session.dialect, request.session.id);
    implied.sort_by_key(key);
    implied.dedup_by_key(|request| key(request));
    let inserted = sessions::insert(connection, &implied.iter().collect::<Vec<_>>()).await?;
    Ok(inserted.into_keys().collect())
}

/// Sets the user of sessions without one to the user that an event names.
pub(super) async fn name_users(
    connection: &mut PgConnection,
    mut naming: Vec<(RowKey, &str)>,
) -> Result<(), sqlx::Error> {
    naming.sort_by_key(|(key, _)| *key);
    naming.dedup_by_key(|(key, _)| *key);
    if naming.is_empty() {
        return Ok(());
    }
    let keys = RowKey::columns(naming.iter().map(|(key, _)| key));
    let users: Vec<&str> = naming.iter().map(|(_, user)| *user).collect();
    sqlx::query!(
        "WITH nameless AS (
             SELECT s.org_id, s.dialect, s.session_id, new.user_id
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::text[])
                 AS new (org_id, dialect, session_id, user_id)
               JOIN sessions s USING (org_id, dialect, session_id)
              WHERE s.user_id IS NULL
              ORDER BY s.org_id, s.dialect, s.session_id
                FOR UPDATE OF s
         )
         UPDATE sessions s SET user_id = nameless.user_id
           FROM nameless
          WHERE s.org_id = nameless.org_id AND s.dialect = nameless.dialect AND s.session_id = nameless.session_id",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &users as &[&str]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Creates a counter to lock for each session without one.
pub(super) async fn start_counters(connection: &mut PgConnection, keys: &[RowKey]) -> Result<(), sqlx::Error> {
    let columns = RowKey::columns(keys);
    sqlx::query!(
        "INSERT INTO session_counters (org_id, dialect, session_id, last_number, last_at)
         SELECT new.org_id, new.dialect, new.session_id, 0, 'epoch'
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS new (org_id, dialect, session_id)
          ORDER BY new.org_id, new.dialect, new.session_id
             ON CONFLICT (org_id, dialect, session_id) DO NOTHING",
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores the events that are not known yet. Returns them in the order in which they arrived.
pub(in crate::store) async fn take_in<'r>(
    connection: &mut PgConnection,
    requests: &[&'r CaptureRequest],
) -> Result<Vec<&'r CaptureRequest>, sqlx::Error> {
    let mut sorted: Vec<&CaptureRequest> = requests.to_vec();
    sorted.sort_by_key(|request| request.event());
    sorted.dedup_by_key(|request| request.event());
    let new = EventColumns::of(&sorted);
    let rows = sqlx::query!(
        "INSERT INTO captured_events (org_id, event_id, session_id, at, kind, name, success, latency_ms, untimed)
         SELECT new.org_id, new.event_id, new.session_id, new.at, new.kind, new.name, new.success, new.latency_ms,
                new.untimed
           FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::boolean[],
                       $8::bigint[], $9::boolean[])
             AS new (org_id, event_id, session_id, at, kind, name, success, latency_ms, untimed)
          ORDER BY new.org_id, new.event_id
             ON CONFLICT (org_id, event_id) DO NOTHING
         RETURNING org_id, event_id",
        &new.orgs,
        &new.ids,
        &new.sessions,
        &new.times,
        &new.kinds as &[&str],
        &new.names as &[&str],
        &new.successes,
        &new.latencies,
        &new.untimed
    )
    .fetch_all(connection)
    .await?;
    let mut fresh: HashSet<(OrgId, EventId)> =
        rows.into_iter().map(|row| (OrgId(row.org_id), EventId(row.event_id))).collect();
    // The sort was stable, so of several with one id the first to arrive was stored.
    Ok(requests.iter().copied().filter(|request| fresh.remove(&request.event())).collect())
}

/// Captured events as the columns of a statement.
pub(super) struct EventColumns<'r> {
    pub orgs: Vec<Uuid>,
    pub ids: Vec<Uuid>,
    pub sessions: Vec<Uuid>,
    pub times: Vec<Timestamp>,
    pub kinds: Vec<&'r str>,
    pub names: Vec<&'r str>,
    pub successes: Vec<bool>,
    pub latencies: Vec<i64>,
    pub untimed: Vec<bool>,
}

impl<'r> EventColumns<'r> {
    pub fn of(requests: &[&'r CaptureRequest]) -> Self {
        let captures = || requests.iter().map(|request| &request.capture);
        Self {
            orgs: requests.iter().map(|request| request.org.0).collect(),
            ids: captures().map(|capture| capture.event.id.0).collect(),
            sessions: captures().map(|capture| capture.session.id.0).collect(),
            times: captures().map(|capture| capture.facts.at).collect(),
            kinds: captures().map(|capture| capture.event.kind.as_str()).collect(),
            names: captures().map(|capture| capture.facts.indexed_name()).collect(),
            successes: captures().map(|capture| capture.facts.success).collect(),
            latencies: captures().map(|capture| capture.facts.latency_ms).collect(),
            untimed: captures().map(|capture| !capture.facts.is_timed).collect(),
        }
    }
}

/// Numbers the events under the lock of their counters and appends them.
pub(super) async fn append(
    connection: &mut PgConnection,
    fresh: &[&CaptureRequest],
    numberings: &mut HashMap<RowKey, Numbering>,
) -> Result<(), sqlx::Error> {
    if fresh.is_empty() {
        return Ok(());
    }
    let mut numbered: Vec<(RowKey, Event)> = Vec::with_capacity(fresh.len());
    for request in fresh {
        let event = request.capture.event.clone();
        let numbering = numberings.entry(request.key()).or_insert(Numbering::START);
        let (number, at) = numbering.next(event.at);
        numbered.push((request.key(), event.numbered(number, at)));
    }
    let touched: HashSet<RowKey> = numbered.iter().map(|(key, _)| *key).collect();
    numberings.retain(|key, _| touched.contains(key));
    let events: Vec<(RowKey, &Event)> = numbered.iter().map(|(key, event)| (*key, event)).collect();
    events::append(connection, &events, numberings).await
}
