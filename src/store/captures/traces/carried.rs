//! Spans as exports carry them: an import stores the same, so that later spans of their traces are assigned by them.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::stored::{form_of, identity};
use crate::domain::trace::{Identity, Role, SpanFacts, TraceId};
use crate::domain::{EventId, OrgId, SessionId, SpanForm, Timestamp};

/// What is stored of a span beside its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedSpan {
    pub trace: TraceId,
    pub facts: SpanFacts,
    pub form: SpanForm,
    pub logs: i32,
    pub revision: i32,
}

/// A span to be stored, with its event's session, kind and name.
pub struct PlacedSpan<'s> {
    pub span: &'s CarriedSpan,
    pub session: SessionId,
    pub kind: &'s str,
    pub name: &'s str,
}

/// Returns the spans of these events. Events of other captures have none.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read(
    connection: &mut PgConnection,
    org: OrgId,
    events: &[EventId],
) -> Result<HashMap<EventId, CarriedSpan>, sqlx::Error> {
    let ids: Vec<Uuid> = events.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT s.event_id AS "event_id!", s.trace_id AS "trace_id!", s.parent_id, s.started_at AS "started_at!",
                  s.role AS "role!", s.asked, s.replied AS "replied!", s.has_content AS "has_content!", s.session,
                  s.session_rank, s."user", s.user_rank, s.agent, s.name AS "name!", s.form AS "form!",
                  s.logs AS "logs!", s.revision AS "revision!"
             FROM UNNEST($2::uuid[]) AS wanted (event_id)
            CROSS JOIN LATERAL (SELECT * FROM captured_spans
                                 WHERE org_id = $1 AND event_id = wanted.event_id LIMIT 1) s"#,
        org.0,
        &ids
    )
    .fetch_all(connection)
    .await?;
    let span = rows.into_iter().map(|row| {
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
        let (trace, form) = (TraceId(row.trace_id), form_of(row.form));
        (facts.id, CarriedSpan { trace, facts, form, logs: row.logs, revision: row.revision })
    });
    Ok(span.collect())
}

/// Stores spans that are not stored. Returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn write(connection: &mut PgConnection, org: OrgId, spans: &[PlacedSpan<'_>]) -> Result<u64, sqlx::Error> {
    macro_rules! column {
        ($type:ty, |$placed:ident| $value:expr) => {
            spans.iter().map(|$placed| $value).collect::<Vec<$type>>()
        };
    }
    let id_of = |identity: &Option<Identity>| identity.as_ref().map(|identity| identity.id.clone());
    let rank_of = |identity: &Option<Identity>| identity.as_ref().map(|identity| identity.rank as i16);
    let ids = column!(Uuid, |placed| placed.span.facts.id.0);
    let traces = column!(Uuid, |placed| placed.span.trace.0);
    let parents = column!(Option<Uuid>, |placed| placed.span.facts.parent.map(|id| id.0));
    let started = column!(Timestamp, |placed| placed.span.facts.started);
    let roles = column!(i16, |placed| placed.span.facts.role as i16);
    let asked = column!(Option<i64>, |placed| placed.span.facts.asked);
    let replied = column!(bool, |placed| placed.span.facts.replied);
    let contents = column!(bool, |placed| placed.span.facts.has_content);
    let sessions = column!(Option<String>, |placed| id_of(&placed.span.facts.session));
    let session_ranks = column!(Option<i16>, |placed| rank_of(&placed.span.facts.session));
    let users = column!(Option<String>, |placed| id_of(&placed.span.facts.user));
    let user_ranks = column!(Option<i16>, |placed| rank_of(&placed.span.facts.user));
    let agents = column!(Option<String>, |placed| placed.span.facts.agent.clone());
    let names = column!(String, |placed| placed.span.facts.name.clone());
    let forms = column!(i16, |placed| placed.span.form as i16);
    let logs = column!(i32, |placed| placed.span.logs);
    let revisions = column!(i32, |placed| placed.span.revision);
    let session_ids = column!(Uuid, |placed| placed.session.0);
    let kinds = column!(&str, |placed| placed.kind);
    let shown = column!(&str, |placed| placed.name);
    let inserted = sqlx::query!(
        r#"INSERT INTO captured_spans
                  (org_id, event_id, trace_id, parent_id, started_at, role, asked, replied, has_content, session,
                   session_rank, "user", user_rank, agent, name, form, logs, revision, session_id, kind, shown_name)
           SELECT $1, new.* FROM UNNEST($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[],
                                        $7::bigint[], $8::boolean[], $9::boolean[], $10::text[], $11::smallint[],
                                        $12::text[], $13::smallint[], $14::text[], $15::text[], $16::smallint[],
                                        $17::integer[], $18::integer[], $19::uuid[], $20::text[], $21::text[]) AS new
               ON CONFLICT (org_id, event_id) DO NOTHING"#,
        org.0,
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
        &shown as &[&str]
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}
