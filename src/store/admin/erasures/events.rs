//! Deletes the events of the found sessions.

use sqlx::PgConnection;
use uuid::Uuid;

use super::sessions::FoundSession;
use super::{AdminError, Counts, ErasureStep, RunningErasure, count};
use crate::domain::{DialectName, ErasureScope, Timestamp};
use crate::store::captures::delete;

/// Events and sessions of one step. Their writers wait meanwhile.
const EVENTS: i64 = 1_000;
const SESSIONS: usize = 100;

impl RunningErasure {
    /// Deletes events of the sessions after this one: with captured events also their totals, spans and entries of the
    /// search index. The second pass also deletes sessions that were created again by what was in progress.
    pub(super) async fn delete_events(
        &self,
        connection: &mut PgConnection,
        now: Timestamp,
        mut after: FoundSession,
        deleted: &mut Counts,
    ) -> Result<Option<ErasureStep>, AdminError> {
        let mut room = EVENTS;
        let mut captured: Vec<Uuid> = Vec::new();
        let mut is_last = false;
        for _ in 0..SESSIONS {
            let Some(session) = self.session_after(connection, after).await? else {
                is_last = true;
                break;
            };
            if self.is_second_pass {
                count(deleted, "sessions", self.delete_sessions(connection, &[session], now).await?);
            }
            let events = self.delete_events_of(connection, session, room).await?;
            count(deleted, "session_events", events.len() as u64);
            room -= i64::try_from(events.len()).unwrap_or(EVENTS);
            if session.0 == DialectName::Agnost.code() {
                captured.extend(events);
            }
            if room <= 0 {
                // It may have more; the next step continues with this session.
                break;
            }
            self.delete_counter(connection, session).await?;
            after = session;
        }
        let captured = delete::delete_and_note(connection, self.org, &captured).await?;
        count(deleted, "captured_events", captured);
        if !is_last {
            return Ok(Some(ErasureStep::Events { dialect: after.0, id: after.1 }));
        }
        Ok(Some(match self.scope {
            ErasureScope::User => ErasureStep::Contacts,
            ErasureScope::Session => {
                ErasureStep::Responses { dialect: i16::MIN, target: Vec::new(), key: String::new() }
            }
            ErasureScope::Organization | ErasureScope::Retention => ErasureStep::Feed { transaction: 0, place: 0 },
        }))
    }

    async fn session_after(
        &self,
        connection: &mut PgConnection,
        after: FoundSession,
    ) -> Result<Option<FoundSession>, sqlx::Error> {
        let row = sqlx::query!(
            "SELECT dialect, session_id FROM erasure_sessions
              WHERE org_id = $1 AND erasure_id = $2 AND (dialect, session_id) > ($3, $4)
              ORDER BY dialect, session_id LIMIT 1",
            self.org.0,
            self.id.0,
            after.0,
            after.1
        )
        .fetch_optional(connection)
        .await?;
        Ok(row.map(|row| (row.dialect, row.session_id)))
    }

    /// Deletes the first events of a session, under the lock of its counter. Returns their ids.
    async fn delete_events_of(
        &self,
        connection: &mut PgConnection,
        session: FoundSession,
        limit: i64,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query!(
            "SELECT last_number FROM session_counters WHERE org_id = $1 AND dialect = $2 AND session_id = $3 FOR UPDATE",
            self.org.0,
            session.0,
            session.1
        )
        .fetch_optional(&mut *connection)
        .await?;
        sqlx::query_scalar!(
            "DELETE FROM session_events e
              USING (SELECT number FROM session_events
                      WHERE org_id = $1 AND dialect = $2 AND session_id = $3 ORDER BY number LIMIT $4) AS old
              WHERE e.org_id = $1 AND e.dialect = $2 AND e.session_id = $3 AND e.number = old.number
             RETURNING e.event_id",
            self.org.0,
            session.0,
            session.1,
            limit
        )
        .fetch_all(connection)
        .await
    }

    async fn delete_counter(&self, connection: &mut PgConnection, session: FoundSession) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "DELETE FROM session_counters WHERE org_id = $1 AND dialect = $2 AND session_id = $3",
            self.org.0,
            session.0,
            session.1
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
