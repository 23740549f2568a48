//! The statements of an export.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::piece::BYTES;
use super::{ExportFilter, ExportPosition, ExportedEvent};
use crate::domain::{AgentId, DialectName, Event, EventId, JsonText, OrgId, Session, Timestamp};
use crate::store::bytes::{self, Page, Weighed, json_bytes, optional_json_bytes};
use crate::store::{SessionRow, StoreError, keyset};

/// A session's row with its counter.
pub(super) struct SessionWithCounter {
    pub org_id: Uuid,
    pub dialect: i16,
    pub session_id: Uuid,
    pub agent_id: Option<Uuid>,
    pub public_id: String,
    pub nonce: Uuid,
    pub ended_at: Option<Timestamp>,
    pub enabled: bool,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
    pub detail: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub expiry_reported_at: Option<Timestamp>,
    pub last_number: Option<i64>,
    pub last_at: Option<Timestamp>,
}

impl SessionWithCounter {
    /// Returns the position after the session, or within it.
    pub fn position(&self, within: Option<(i64, i64)>) -> ExportPosition {
        ExportPosition { dialect: self.dialect, created_at: self.created_at, id: self.session_id, within }
    }
}

impl Weighed for SessionWithCounter {
    fn text_bytes(&self) -> usize {
        let texts = [&self.kind, &self.user_id, &self.name, &self.description];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.public_id) + self.metadata.as_ref().map_or(0, String::len) + self.detail.len()
    }
}

impl TryFrom<SessionWithCounter> for Session {
    type Error = StoreError;

    fn try_from(row: SessionWithCounter) -> Result<Self, Self::Error> {
        Self::try_from(SessionRow {
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
            turn: None,
            last_change: None,
        })
    }
}

/// Selects sessions, `s`, with their counters. A session that was deleted has none, because its events are to be deleted.
macro_rules! with_counters {
    ($sessions:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            SessionWithCounter,
            r#"SELECT s.org_id AS "org_id!", s.dialect AS "dialect!", s.session_id AS "session_id!", s.agent_id,
                      s.public_id AS "public_id!", s.nonce AS "nonce!", s.ended_at, s.enabled AS "enabled!", s.kind,
                      s.user_id, s.name, s.description, s.metadata::text, s.detail::text AS "detail!",
                      s.created_at AS "created_at!", s.updated_at AS "updated_at!", s.expires_at, s.expiry_reported_at,
                      c.last_number AS "last_number?", c.last_at AS "last_at?"
                 FROM "#
                + $sessions
                + r#" LEFT JOIN LATERAL (SELECT last_number, last_at FROM session_counters
                                          WHERE org_id = $1 AND dialect = s.dialect AND session_id = s.session_id
                                            AND NOT EXISTS (SELECT FROM session_erasures gone
                                                             WHERE gone.org_id = $1 AND gone.dialect = s.dialect
                                                               AND gone.session_id = s.session_id)
                                          LIMIT 1) c ON true"#
            $(, $argument)*
        )
    };
}

/// Returns the last time before another, because times in Postgres have microseconds.
fn just_before(at: Timestamp) -> Timestamp {
    at - chrono::TimeDelta::microseconds(1)
}

/// Returns after which time and id the sessions of a dialect are read.
fn begin(dialect: DialectName, filter: &ExportFilter, after: Option<ExportPosition>) -> (Timestamp, Uuid) {
    let after = after.filter(|position| position.dialect == dialect.code());
    let (at, id) = keyset::or_earliest(after.map(|position| (position.created_at, position.id)));
    match filter.created_after.filter(|first| *first > at) {
        Some(first) => (just_before(first), Uuid::max()),
        None => (at, id),
    }
}

/// Returns the sessions of a dialect after a position, oldest first, also those after the filter's end: with two limits of
/// the time, the planner would take them for few and sort them all.
pub(super) async fn sessions(
    connection: &mut PgConnection,
    org: OrgId,
    dialect: DialectName,
    filter: &ExportFilter,
    after: Option<ExportPosition>,
    limit: i64,
) -> Result<Page<SessionWithCounter>, sqlx::Error> {
    let (at, id) = begin(dialect, filter, after);
    let rows = with_counters!(
        r#"(SELECT * FROM sessions
             WHERE org_id = $1 AND dialect = $2 AND (created_at, session_id) > ($3, $4)
             ORDER BY created_at, session_id LIMIT $5) s"#,
        org.0,
        dialect.code(),
        at,
        id,
        limit
    );
    bytes::page(rows.fetch(connection), BYTES).await
}

/// Returns the sessions of a dialect with an agent after a position, oldest first, also those after the filter's end. The
/// dialects without an index by agent have none.
pub(super) async fn of_agent(
    connection: &mut PgConnection,
    org: OrgId,
    dialect: DialectName,
    agent: AgentId,
    filter: &ExportFilter,
    after: Option<ExportPosition>,
    limit: i64,
) -> Result<Page<SessionWithCounter>, sqlx::Error> {
    let (at, id) = begin(dialect, filter, after);
    let rows = with_counters!(
        r#"((SELECT * FROM sessions
              WHERE org_id = $1 AND dialect = $2 AND dialect IN (2, 5) AND agent_id = $3
                AND (created_at, session_id) > ($4, $5)
              ORDER BY created_at, session_id LIMIT $6)
            UNION ALL
            (SELECT * FROM sessions
              WHERE $2 = 3 AND org_id = $1 AND dialect = 3 AND agent_id = $3
                AND (created_at, session_id) > ($4, $5)
              ORDER BY created_at, session_id LIMIT $6)) s"#,
        org.0,
        dialect.code(),
        agent.0,
        at,
        id,
        limit
    );
    bytes::page(rows.fetch(connection), BYTES).await
}

/// Returns the sessions of a user after a position, oldest first.
pub(super) async fn of_user(
    connection: &mut PgConnection,
    org: OrgId,
    user: &str,
    filter: &ExportFilter,
    after: Option<ExportPosition>,
    limit: i64,
) -> Result<Page<SessionWithCounter>, sqlx::Error> {
    let (mut at, mut id) = keyset::or_earliest(after.map(|position| (position.created_at, position.id)));
    let mut dialect = after.map_or(i16::MIN, |position| position.dialect);
    if let Some(first) = filter.created_after.filter(|first| *first > at) {
        (at, dialect, id) = (just_before(first), i16::MAX, Uuid::max());
    }
    let rows = with_counters!(
        r#"(SELECT * FROM sessions
             WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" = $2
               AND (created_at, dialect, session_id) > ($3, $4, $5) AND created_at < $6
             ORDER BY created_at, dialect, session_id LIMIT $7) s"#,
        org.0,
        user,
        at,
        dialect,
        id,
        filter.created_before.unwrap_or(keyset::or_latest(None).0),
        limit
    );
    bytes::page(rows.fetch(connection), BYTES).await
}

/// Returns the session of a position.
pub(super) async fn the_session(
    connection: &mut PgConnection,
    org: OrgId,
    position: ExportPosition,
) -> Result<Option<SessionWithCounter>, sqlx::Error> {
    let rows = with_counters!(
        "(SELECT * FROM sessions WHERE org_id = $1 AND dialect = $2 AND session_id = $3 LIMIT 1) s",
        org.0,
        position.dialect,
        position.id
    );
    rows.fetch_optional(connection).await
}

/// By what a captured event is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFacts {
    pub at: Timestamp,
    pub success: bool,
    pub latency_ms: i64,
    pub untimed: bool,
}

/// An event's row, with its facts if it was captured.
pub(super) struct EventWithFacts {
    pub dialect: i16,
    pub session_id: Uuid,
    pub number: i64,
    pub event_id: Uuid,
    pub public_id: Option<String>,
    pub parent_id: Option<Uuid>,
    pub kind: String,
    pub author_id: Option<String>,
    pub content: Option<String>,
    pub payload: String,
    pub hidden: bool,
    pub created_at: Timestamp,
    pub at: Option<Timestamp>,
    pub success: Option<bool>,
    pub latency_ms: Option<i64>,
    pub untimed: Option<bool>,
}

impl Weighed for EventWithFacts {
    fn text_bytes(&self) -> usize {
        let texts = [&self.public_id, &self.author_id, &self.content];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        texts + json_bytes(&self.kind) + self.payload.len()
    }
}

impl TryFrom<EventWithFacts> for ExportedEvent {
    type Error = StoreError;

    fn try_from(row: EventWithFacts) -> Result<Self, Self::Error> {
        let facts = match (row.at, row.success, row.latency_ms, row.untimed) {
            (Some(at), Some(success), Some(latency_ms), Some(untimed)) => {
                Some(ExportedFacts { at, success, latency_ms, untimed })
            }
            _ => None,
        };
        let event = Event {
            number: row.number,
            id: EventId(row.event_id),
            public_id: row.public_id,
            parent: row.parent_id.map(EventId),
            kind: row.kind,
            author_id: row.author_id,
            content: row.content,
            payload: JsonText::stored(row.payload)?,
            hidden: row.hidden,
            created_at: row.created_at,
        };
        Ok(Self { event, facts, span: None })
    }
}

/// Selects the events of sessions, session by session, after one number up to another, at most `$6` of each session. The
/// nested loop over the list keeps its order, so that nothing is sorted.
macro_rules! events {
    ($org:expr, $dialects:expr, $ids:expr, $after:expr, $until:expr, $limit:expr) => {
        sqlx::query_as!(
            $crate::store::exports::rows::EventWithFacts,
            r#"SELECT wanted.dialect AS "dialect!", wanted.session_id AS "session_id!", e.number AS "number!",
                      e.event_id AS "event_id!", e.public_id, e.parent_id, e.kind AS "kind!", e.author_id, e.content,
                      e.payload::text AS "payload!", e.hidden AS "hidden!", e.created_at AS "created_at!",
                      f.at AS "at?", f.success AS "success?", f.latency_ms AS "latency_ms?", f.untimed AS "untimed?"
                 FROM UNNEST($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[])
                   AS wanted (dialect, session_id, after, until)
                CROSS JOIN LATERAL (SELECT * FROM session_events
                                     WHERE org_id = $1 AND dialect = wanted.dialect
                                       AND session_id = wanted.session_id
                                       AND number > wanted.after AND number <= wanted.until
                                     ORDER BY number LIMIT $6) e
                 LEFT JOIN LATERAL (SELECT at, success, latency_ms, untimed FROM captured_events
                                     WHERE org_id = $1 AND event_id = e.event_id AND e.dialect = $7
                                     LIMIT 1) f ON true"#,
            $org.0,
            $dialects,
            $ids,
            $after,
            $until,
            $limit,
            $crate::domain::DialectName::Agnost.code()
        )
    };
}

pub(super) use events;

/// The names of an agent: its settings are not part of an export.
#[derive(Clone, Debug)]
pub struct ExportedAgent {
    pub agent_id: Uuid,
    pub key: String,
    pub number: i64,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub language: String,
    pub created_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
}

/// Returns agents by their ids, deleted ones included.
pub(super) async fn agents(
    connection: &mut PgConnection,
    org: OrgId,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, ExportedAgent>, sqlx::Error> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query_as!(
        ExportedAgent,
        r#"SELECT a.agent_id AS "agent_id!", a.key AS "key!", a.number AS "number!", a.name AS "name!", a.description,
                  a.enabled AS "enabled!", a.language AS "language!", a.created_at AS "created_at!", a.deleted_at
             FROM UNNEST($2::uuid[]) AS wanted (agent_id)
            CROSS JOIN LATERAL (SELECT * FROM agents WHERE org_id = $1 AND agent_id = wanted.agent_id LIMIT 1) a"#,
        org.0,
        &ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.agent_id, row)).collect())
}
