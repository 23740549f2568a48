//! Stored spans of traces.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::plan::{Decision, Entry, Plan, StoredSpan};
use super::{MAX_SPANS, TraceKey};
use crate::domain::trace::{Identity, Rank, Role, SpanFacts, TraceId};
use crate::domain::{EventId, OrgId, SessionId, SpanForm, Timestamp};
use crate::store::captures::DIALECT;

/// Locks traces until the transaction ends. Returns those that had no stored spans before.
pub async fn lock(connection: &mut PgConnection, traces: &[TraceKey]) -> Result<HashSet<TraceKey>, sqlx::Error> {
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = traces.iter().map(|(org, trace)| (org.0, trace.0)).unzip();
    let made = sqlx::query!(
        "INSERT INTO captured_traces (org_id, trace_id)
         SELECT new.org_id, new.trace_id FROM UNNEST($1::uuid[], $2::uuid[]) AS new (org_id, trace_id)
          ORDER BY new.org_id, new.trace_id
             ON CONFLICT (org_id, trace_id) DO NOTHING
         RETURNING org_id, trace_id",
        &orgs,
        &ids
    )
    .fetch_all(&mut *connection)
    .await?;
    let made: HashSet<TraceKey> = made.into_iter().map(|row| (OrgId(row.org_id), TraceId(row.trace_id))).collect();
    if made.len() < traces.len() {
        sqlx::query!(
            r#"SELECT t.trace_id AS "trace_id!"
                 FROM UNNEST($1::uuid[], $2::uuid[]) AS wanted (org_id, trace_id)
                 JOIN captured_traces t USING (org_id, trace_id)
                ORDER BY t.org_id, t.trace_id
                  FOR UPDATE OF t"#,
            &orgs,
            &ids
        )
        .fetch_all(connection)
        .await?;
    }
    Ok(made)
}

/// Returns the first [`MAX_SPANS`] spans of each of these traces.
pub async fn read(
    connection: &mut PgConnection,
    traces: &[TraceKey],
) -> Result<HashMap<TraceKey, Vec<StoredSpan>>, sqlx::Error> {
    if traces.is_empty() {
        return Ok(HashMap::new());
    }
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = traces.iter().map(|(org, trace)| (org.0, trace.0)).unzip();
    let rows = sqlx::query!(
        r#"SELECT s.org_id AS "org_id!", s.event_id AS "event_id!", s.trace_id AS "trace_id!", s.parent_id,
                  s.started_at AS "started_at!", s.role AS "role!", s.asked, s.replied AS "replied!",
                  s.has_content AS "has_content!", s.session, s.session_rank, s."user", s.user_rank, s.agent,
                  s.name AS "name!", s.form AS "form!", s.logs AS "logs!", s.revision AS "revision!",
                  s.session_id AS "session_id!", s.kind AS "kind!", s.shown_name AS "shown_name!"
             FROM UNNEST($1::uuid[], $2::uuid[]) AS wanted (org_id, trace_id)
             JOIN LATERAL (SELECT * FROM captured_spans
                            WHERE org_id = wanted.org_id AND trace_id = wanted.trace_id
                            LIMIT $3) s ON true"#,
        &orgs,
        &ids,
        MAX_SPANS as i64
    )
    .fetch_all(connection)
    .await?;
    let mut spans: HashMap<TraceKey, Vec<StoredSpan>> = HashMap::new();
    for row in rows {
        let facts = SpanFacts {
            id: EventId(row.event_id),
            parent: row.parent_id.map(EventId),
            started: row.started_at,
            role: Role::of(row.role).unwrap_or(Role::Other),
            asked: row.asked,
            replied: row.replied,
            has_content: row.has_content,
            session: identity(row.session, row.session_rank),
            user: identity(row.user, row.user_rank),
            agent: row.agent,
            name: row.name,
        };
        let form = form_of(row.form);
        spans.entry((OrgId(row.org_id), TraceId(row.trace_id))).or_default().push(StoredSpan {
            facts,
            form,
            logs: row.logs,
            revision: row.revision,
            session: SessionId(row.session_id),
            kind: row.kind,
            name: row.shown_name,
        });
    }
    Ok(spans)
}

/// Returns an id that a span names, with its source.
pub fn identity(id: Option<String>, rank: Option<i16>) -> Option<Identity> {
    id.map(|id| Identity { id, rank: rank.and_then(Rank::of).unwrap_or(Rank::Run) })
}

/// Returns how complete a stored span is.
pub fn form_of(code: i16) -> SpanForm {
    match code {
        0 => SpanForm::Logs,
        1 => SpanForm::Started,
        _ => SpanForm::Finished,
    }
}

/// Returns whether the stored data of a span changes.
pub fn is_changed(entry: &Entry<'_>) -> bool {
    entry.before.as_ref().is_some_and(|before| {
        entry.written.is_some()
            || before.session != entry.session
            || before.kind != entry.placement.kind.as_str()
            || before.name != entry.placement.name
    })
}

/// Writes spans whose events are `fresh`, and those that changed.
pub async fn write(
    connection: &mut PgConnection,
    plans: &[Plan<'_>],
    fresh: &HashSet<EventId>,
) -> Result<(), sqlx::Error> {
    let mut entries: Vec<(&Plan<'_>, &Entry<'_>)> = plans
        .iter()
        .flat_map(|plan| plan.entries.iter().map(move |entry| (plan, entry)))
        .filter(|(_, entry)| {
            let is_fresh = entry.is_new() && fresh.contains(&entry.facts.id);
            entry.is_tracked && (is_fresh || is_changed(entry))
        })
        .collect();
    if entries.is_empty() {
        return Ok(());
    }
    entries.sort_by_key(|(plan, entry)| (plan.trace.0, entry.facts.id));
    macro_rules! column {
        ($type:ty, $value:expr) => {{
            let value = $value;
            entries.iter().map(|(plan, entry)| value(*plan, *entry)).collect::<Vec<$type>>()
        }};
    }
    let orgs = column!(Uuid, |plan: &Plan<'_>, _: &Entry<'_>| plan.trace.0.0);
    let ids = column!(Uuid, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.id.0);
    let traces = column!(Uuid, |plan: &Plan<'_>, _: &Entry<'_>| plan.trace.1.0);
    let parents = column!(Option<Uuid>, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.parent.map(|id| id.0));
    let started = column!(Timestamp, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.started);
    let roles = column!(i16, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.role as i16);
    let asked = column!(Option<i64>, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.asked);
    let replied = column!(bool, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.replied);
    let contents = column!(bool, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.has_content);
    let id_of = |identity: &Option<Identity>| identity.as_ref().map(|identity| identity.id.clone());
    let rank_of = |identity: &Option<Identity>| identity.as_ref().map(|identity| identity.rank as i16);
    let sessions = column!(Option<String>, |_: &Plan<'_>, entry: &Entry<'_>| id_of(&entry.facts.session));
    let session_ranks = column!(Option<i16>, |_: &Plan<'_>, entry: &Entry<'_>| rank_of(&entry.facts.session));
    let users = column!(Option<String>, |_: &Plan<'_>, entry: &Entry<'_>| id_of(&entry.facts.user));
    let user_ranks = column!(Option<i16>, |_: &Plan<'_>, entry: &Entry<'_>| rank_of(&entry.facts.user));
    let agents = column!(Option<String>, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.agent.clone());
    let names = column!(String, |_: &Plan<'_>, entry: &Entry<'_>| entry.facts.name.clone());
    let forms = column!(i16, |_: &Plan<'_>, entry: &Entry<'_>| entry.form as i16);
    let logs = column!(i32, |_: &Plan<'_>, entry: &Entry<'_>| entry.logs);
    let revisions = column!(i32, |_: &Plan<'_>, entry: &Entry<'_>| entry.revision);
    let session_ids = column!(Uuid, |_: &Plan<'_>, entry: &Entry<'_>| entry.session.0);
    let kinds = column!(&str, |_: &Plan<'_>, entry: &Entry<'_>| entry.placement.kind.as_str());
    let shown = column!(String, |_: &Plan<'_>, entry: &Entry<'_>| entry.placement.name.clone());
    sqlx::query!(
        r#"INSERT INTO captured_spans AS s
                  (org_id, event_id, trace_id, parent_id, started_at, role, asked, replied, has_content, session,
                   session_rank, "user", user_rank, agent, name, form, logs, revision, session_id, kind, shown_name)
           SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[],
                                $7::bigint[], $8::boolean[], $9::boolean[], $10::text[], $11::smallint[], $12::text[],
                                $13::smallint[], $14::text[], $15::text[], $16::smallint[], $17::integer[],
                                $18::integer[], $19::uuid[], $20::text[], $21::text[])
               ON CONFLICT (org_id, event_id)
               DO UPDATE SET parent_id = EXCLUDED.parent_id, started_at = EXCLUDED.started_at, role = EXCLUDED.role,
                             asked = EXCLUDED.asked, replied = EXCLUDED.replied, has_content = EXCLUDED.has_content,
                             session = EXCLUDED.session, session_rank = EXCLUDED.session_rank, "user" = EXCLUDED."user",
                             user_rank = EXCLUDED.user_rank, agent = EXCLUDED.agent, name = EXCLUDED.name,
                             form = EXCLUDED.form, logs = EXCLUDED.logs, revision = EXCLUDED.revision,
                             session_id = EXCLUDED.session_id, kind = EXCLUDED.kind, shown_name = EXCLUDED.shown_name"#,
        &orgs,
        &ids,
        &traces,
        &parents as &[Option<Uuid>],
        &started,
        &roles,
        &asked as &[Option<i64>],
        &replied,
        &contents,
        &sessions as &[Option<String>],
        &session_ranks as &[Option<i16>],
        &users as &[Option<String>],
        &user_ranks as &[Option<i16>],
        &agents as &[Option<String>],
        &names,
        &forms,
        &logs,
        &revisions,
        &session_ids,
        &kinds as &[&str],
        &shown
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The stored payload of a span.
pub struct Payload {
    pub revision: i32,
    pub form: SpanForm,
    pub text: String,
}

/// Returns the stored payloads of spans of which another part was received.
pub async fn payloads(
    connection: &mut PgConnection,
    plans: &[Plan<'_>],
) -> Result<HashMap<EventId, Payload>, sqlx::Error> {
    let wanted: Vec<(Uuid, Uuid)> = plans
        .iter()
        .flat_map(|plan| plan.decisions.iter().map(move |decision| (plan.trace.0.0, decision)))
        .filter_map(|(org, decision)| match decision {
            Decision::Merge(id) => Some((org, id.0)),
            Decision::Store | Decision::Know => None,
        })
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = wanted.into_iter().unzip();
    let rows = sqlx::query!(
        r#"SELECT s.event_id AS "event_id!", s.revision AS "revision!", s.form AS "form!", e.payload::text AS "payload!"
             FROM UNNEST($1::uuid[], $2::uuid[]) AS wanted (org_id, event_id)
             JOIN captured_spans s USING (org_id, event_id)
             JOIN session_events e ON e.org_id = s.org_id AND e.dialect = $3 AND e.session_id = s.session_id
                                  AND e.event_id = s.event_id"#,
        &orgs,
        &ids,
        DIALECT.code()
    )
    .fetch_all(connection)
    .await?;
    let payload = |revision, form, text| Payload { revision, form: form_of(form), text };
    Ok(rows.into_iter().map(|row| (EventId(row.event_id), payload(row.revision, row.form, row.payload))).collect())
}
