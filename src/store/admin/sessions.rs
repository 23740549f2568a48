use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::{DialectName, OrgId, Timestamp};
use crate::store::{SessionRow, keyset};

/// The cursor of a page: the last session of the page before.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub created_at: Timestamp,
    pub session_id: Uuid,
    pub dialect: i16,
}

#[derive(Debug)]
pub struct EventRow {
    pub number: i64,
    pub event_id: Uuid,
    pub public_id: Option<String>,
    pub kind: String,
    pub author_id: Option<String>,
    pub content: Option<String>,
    pub payload: String,
    pub hidden: bool,
    pub created_at: Timestamp,
}

impl AdminStore {
    /// Returns sessions of an organization after the cursor, newest first, of one dialect or all.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn sessions(
        &self,
        org: OrgId,
        dialect: Option<DialectName>,
        after: Option<Page>,
        limit: i64,
    ) -> Result<Vec<SessionRow>, AdminError> {
        let dialects: Vec<i16> = match dialect {
            Some(dialect) => vec![dialect.code()],
            None => DialectName::ALL.map(DialectName::code).to_vec(),
        };
        let (at, id) = keyset::or_latest(after.map(|page| (page.created_at, page.session_id)));
        Ok(sqlx::query_as!(
            SessionRow,
            // Reads the newest of each dialect, because in the index the dialect comes before the time.
            r#"SELECT s.org_id, s.dialect, s.session_id, s.agent_id, s.public_id, s.nonce, s.ended_at, s.enabled, s.kind,
                      s.user_id, s.name, s.description, s.metadata::text, s.detail::text AS "detail!", s.created_at,
                      s.updated_at, s.expires_at, s.expiry_reported_at, s.turn::text, s.last_change
                 FROM UNNEST($2::smallint[]) AS wanted (dialect)
                CROSS JOIN LATERAL (
                      SELECT * FROM sessions
                       WHERE org_id = $1 AND sessions.dialect = wanted.dialect
                         AND (created_at, session_id, sessions.dialect) < ($3, $4, $5)
                       ORDER BY created_at DESC, session_id DESC
                       LIMIT $6) s
                ORDER BY s.created_at DESC, s.session_id DESC, s.dialect DESC
                LIMIT $6"#,
            org.0,
            &dialects,
            at,
            id,
            after.map_or(i16::MAX, |page| page.dialect),
            limit
        )
        .fetch_all(self.pool(org).reads())
        .await?)
    }

    /// Returns the sessions, of any dialect, that have this public id or this UUID.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn sessions_called(&self, org: OrgId, name: &str) -> Result<Vec<SessionRow>, AdminError> {
        let id = crate::domain::ids::parse_hyphenated_uuid(name);
        Ok(sqlx::query_as!(
            SessionRow,
            r#"SELECT org_id, dialect, session_id, agent_id, public_id, nonce, ended_at, enabled, kind, user_id, name,
                      description, metadata::text, detail::text AS "detail!", created_at, updated_at, expires_at,
                      expiry_reported_at, turn::text, last_change
                 FROM sessions
                WHERE org_id = $1 AND (public_id = $2 OR session_id = $3)
                ORDER BY created_at DESC, session_id DESC, dialect DESC"#,
            org.0,
            name,
            id
        )
        .fetch_all(self.pool(org).reads())
        .await?)
    }

    /// Returns the events of a session in order, after event number `after`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn events(&self, session: &SessionRow, after: i64, limit: i64) -> Result<Vec<EventRow>, AdminError> {
        Ok(sqlx::query_as!(
            EventRow,
            r#"SELECT number, event_id, public_id, kind, author_id, content, payload::text AS "payload!", hidden,
                      created_at
                 FROM session_events
                WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND number > $4
                ORDER BY number
                LIMIT $5"#,
            session.org_id,
            session.dialect,
            session.session_id,
            after,
            limit
        )
        .fetch_all(self.pool(OrgId(session.org_id)).reads())
        .await?)
    }
}
