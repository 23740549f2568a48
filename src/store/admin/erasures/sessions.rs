//! Finds the sessions of an erasure and deletes their rows.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{AdminError, Counts, ErasureStep, RunningErasure, count};
use crate::domain::{DialectName, ErasureScope, OrgId, SessionUser, Timestamp};
use crate::store::sessions::{RowKey, delete_aliases};

/// Sessions that one step looks at.
pub(super) const BATCH: i64 = 1_000;

/// A dialect's code and a session's UUID.
pub(super) type FoundSession = (i16, Uuid);

/// A session that a step looks at.
pub(super) struct SeenSession {
    pub dialect: i16,
    pub session_id: Uuid,
    pub user_id: Option<String>,
    pub contact_external_id: Option<String>,
    pub contact_id: Option<String>,
    pub metadata_user: Option<String>,
    pub metadata_user_in_snake_case: Option<String>,
}

impl SeenSession {
    /// Returns whose session it is.
    pub fn user(self) -> SessionUser {
        let contact = [self.contact_external_id, self.contact_id];
        let metadata = [self.metadata_user, self.metadata_user_in_snake_case];
        DialectName::from_code(self.dialect)
            .map_or_else(SessionUser::default, |dialect| SessionUser::of_ids(dialect, self.user_id, contact, metadata))
    }
}

/// Returns the next sessions of an organization, in the order of their keys, with the ids that may be their user's.
pub(super) async fn next(
    connection: &mut PgConnection,
    org: OrgId,
    after: FoundSession,
) -> Result<Vec<SeenSession>, sqlx::Error> {
    sqlx::query_as!(
        SeenSession,
        r#"SELECT dialect, session_id, user_id, detail->'contact'->>'externalId' AS contact_external_id,
                  detail->'contact'->>'id' AS contact_id, metadata->>'userId' AS metadata_user,
                  metadata->>'user_id' AS metadata_user_in_snake_case
             FROM sessions
            WHERE org_id = $1 AND (dialect, session_id) > ($2, $3)
            ORDER BY dialect, session_id
            LIMIT $4"#,
        org.0,
        after.0,
        after.1,
        BATCH
    )
    .fetch_all(connection)
    .await
}

/// An old session that a step looks at.
pub(in crate::store) struct OldSession {
    pub session_id: Uuid,
    pub created_at: Timestamp,
    pub is_unused: bool,
}

/// Returns the next sessions of a dialect that were created before `unused_since`, oldest first.
pub(in crate::store) async fn next_old(
    connection: &mut PgConnection,
    org: OrgId,
    dialect: i16,
    unused_since: Timestamp,
    after: (Timestamp, Uuid),
) -> Result<Vec<OldSession>, sqlx::Error> {
    sqlx::query_as!(
        OldSession,
        r#"SELECT s.session_id AS "session_id!", s.created_at AS "created_at!",
                  s.updated_at < $3 AND COALESCE(c.last_at < $3, true) AS "is_unused!"
             FROM (SELECT org_id, dialect, session_id, created_at, updated_at FROM sessions
                    WHERE org_id = $1 AND dialect = $2 AND created_at < $3 AND (created_at, session_id) > ($4, $5)
                    ORDER BY created_at, session_id
                    LIMIT $6) s
             LEFT JOIN session_counters c ON c.org_id = $1 AND c.dialect = $2 AND c.session_id = s.session_id
            ORDER BY s.created_at, s.session_id"#,
        org.0,
        dialect,
        unused_since,
        after.0,
        after.1,
        BATCH
    )
    .fetch_all(connection)
    .await
}

impl RunningErasure {
    /// Looks at the next sessions, and deletes the rows of those that belong to the erasure.
    pub(super) async fn find_sessions(
        &self,
        connection: &mut PgConnection,
        now: Timestamp,
        (dialect, id, created_at): (i16, Uuid, Option<Timestamp>),
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        let (found, next): (Vec<FoundSession>, Option<ErasureStep>) = match (self.scope, &self.subject) {
            (ErasureScope::User, Some(user)) => self.sessions_of(connection, user, (dialect, id, created_at)).await?,
            (ErasureScope::Retention, _) => {
                let (Some(dialect), Some(unused_since)) = (self.dialect, self.unused_since) else {
                    return Ok(Some(ErasureStep::Events { dialect: i16::MIN, id: Uuid::nil() }));
                };
                let after = (created_at.unwrap_or(Timestamp::MIN_UTC).max(Timestamp::UNIX_EPOCH), id);
                let seen = next_old(connection, self.org, dialect, unused_since, after).await?;
                let next = seen.last().map(|old| ErasureStep::Sessions {
                    dialect,
                    id: old.session_id,
                    created_at: Some(old.created_at),
                });
                (seen.iter().filter(|old| old.is_unused).map(|old| (dialect, old.session_id)).collect(), next)
            }
            // It was found when it was requested.
            (ErasureScope::Session, _) => (self.found(connection).await?, None),
            (ErasureScope::User | ErasureScope::Organization, _) => (Vec::new(), None),
        };
        count(deleted, "sessions", self.delete_sessions(connection, &found, now).await?);
        Ok(Some(next.unwrap_or(ErasureStep::Events { dialect: i16::MIN, id: Uuid::nil() })))
    }

    /// Returns the first of the found sessions.
    pub(super) async fn found(&self, connection: &mut PgConnection) -> Result<Vec<FoundSession>, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT dialect, session_id FROM erasure_sessions WHERE org_id = $1 AND erasure_id = $2
              ORDER BY dialect, session_id LIMIT $3",
            self.org.0,
            self.id.0,
            BATCH
        )
        .fetch_all(connection)
        .await?;
        Ok(rows.into_iter().map(|row| (row.dialect, row.session_id)).collect())
    }

    /// Notes sessions and deletes their rows, so that no request finds them any more. Returns how many there were.
    ///
    /// Of the `agent_key` dialect, a row that leads to later sessions of its key stays without its content: otherwise
    /// the key could have two open sessions.
    pub(super) async fn delete_sessions(
        &self,
        connection: &mut PgConnection,
        found: &[FoundSession],
        now: Timestamp,
    ) -> Result<u64, sqlx::Error> {
        if found.is_empty() {
            return Ok(0);
        }
        let (dialects, ids): (Vec<i16>, Vec<Uuid>) = found.iter().copied().unzip();
        // Locks in the order of every writer, so that none waits for the other in a circle.
        let locked = sqlx::query_scalar!(
            r#"SELECT s.session_id AS "session_id!"
                 FROM UNNEST($2::smallint[], $3::uuid[]) AS wanted (dialect, session_id)
                 JOIN sessions s ON s.org_id = $1 AND s.dialect = wanted.dialect AND s.session_id = wanted.session_id
                ORDER BY s.org_id, s.dialect, s.session_id
                  FOR UPDATE OF s"#,
            self.org.0,
            &dialects,
            &ids
        )
        .fetch_all(&mut *connection)
        .await?;
        sqlx::query!(
            "INSERT INTO erasure_sessions (org_id, erasure_id, dialect, session_id)
             SELECT $1, $2, new.dialect, new.session_id
               FROM UNNEST($3::smallint[], $4::uuid[]) AS new (dialect, session_id)
                 ON CONFLICT DO NOTHING",
            self.org.0,
            self.id.0,
            &dialects,
            &ids
        )
        .execute(&mut *connection)
        .await?;
        let keys: Vec<RowKey> = found.iter().map(|(dialect, id)| RowKey::of(self.org.0, *dialect, *id)).collect();
        delete_aliases(connection, &keys).await?;
        // The worker locks these rows before the sessions. It deletes those that are left to it.
        sqlx::query!(
            "DELETE FROM session_expiries e
              USING (SELECT e.dialect, e.session_id
                       FROM UNNEST($2::smallint[], $3::uuid[]) AS gone (dialect, session_id)
                       JOIN session_expiries e ON e.org_id = $1 AND e.dialect = gone.dialect
                                              AND e.session_id = gone.session_id
                        FOR UPDATE OF e SKIP LOCKED) AS old
              WHERE e.org_id = $1 AND e.dialect = old.dialect AND e.session_id = old.session_id",
            self.org.0,
            &dialects,
            &ids
        )
        .execute(&mut *connection)
        .await?;
        if locked.is_empty() {
            return Ok(0);
        }
        let keyed = DialectName::AgentKey.code();
        let deleted = sqlx::query!(
            "DELETE FROM sessions s
              USING UNNEST($2::smallint[], $3::uuid[]) AS gone (dialect, session_id)
              WHERE s.org_id = $1 AND s.dialect = gone.dialect AND s.session_id = gone.session_id
                AND (s.dialect <> $4 OR s.detail->>'generation' IS NULL)",
            self.org.0,
            &dialects,
            &ids,
            keyed
        )
        .execute(&mut *connection)
        .await?
        .rows_affected();
        let emptied = sqlx::query!(
            "UPDATE sessions s
                SET public_id = '', kind = NULL, user_id = NULL, name = NULL, description = NULL, metadata = NULL,
                    turn = NULL, ended_at = COALESCE(s.ended_at, $4),
                    detail = json_build_object('generation', s.detail->'generation')
               FROM UNNEST($2::smallint[], $3::uuid[]) AS gone (dialect, session_id)
              WHERE s.org_id = $1 AND s.dialect = gone.dialect AND s.session_id = gone.session_id
                AND s.dialect = $5 AND (s.public_id <> '' OR s.user_id IS NOT NULL)",
            self.org.0,
            &dialects,
            &ids,
            now,
            keyed
        )
        .execute(connection)
        .await?
        .rows_affected();
        Ok(deleted + emptied)
    }
}
