//! Finds sessions that have expired, and writes that to the feed for the endpoints that want it.
//!
//! An expiry is a state, so no statement of a request writes it. A row of `session_expiries` has the time at which a
//! session has to be looked at. It is made when the session's start or a change of it is read from the feed
//! ([`AdminStore::fan_out`]), or by a scan if the session was there before the endpoint
//! ([`AdminStore::scan_expiries`]). A session that was used since then is looked at again later.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::as_limit;
use crate::domain::session::State;
use crate::domain::webhook::Subscription;
use crate::domain::{DialectName, Timestamp};
use crate::store::admin::{AdminError, AdminStore};
use crate::store::feed::FeedKind;
use crate::store::scope;
use crate::store::sessions::{KeyColumns, RowKey};

/// Organizations per transaction, and sessions of each of them.
const MAX_ORGANIZATIONS: usize = 50;
const MAX_SESSIONS: usize = 200;
/// Sessions that one step of a scan looks at. The statement contains the number, because the planner takes an unknown
/// limit for a tenth of a table.
const SCANNED: i64 = 1_000;

/// Has sessions looked at when they expire: those that expire after the given time, and that have not ended. A session
/// that is looked at later anyway is looked at earlier.
pub(super) async fn watch_expiries(
    connection: &mut PgConnection,
    mut sessions: Vec<(RowKey, Timestamp)>,
) -> Result<(), sqlx::Error> {
    if sessions.is_empty() {
        return Ok(());
    }
    // Of several endpoints, the one that receives the earliest expiries.
    sessions.sort_unstable();
    sessions.dedup_by_key(|(key, _)| *key);
    let keys = RowKey::columns(sessions.iter().map(|(key, _)| key));
    let since: Vec<Timestamp> = sessions.iter().map(|(_, since)| *since).collect();
    sqlx::query!(
        "INSERT INTO session_expiries AS e (org_id, dialect, session_id, due_at)
         SELECT s.org_id, s.dialect, s.session_id, s.expires_at
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::timestamptz[])
             AS changed (org_id, dialect, session_id, since)
           JOIN sessions s USING (org_id, dialect, session_id)
          WHERE s.ended_at IS NULL AND s.expires_at > changed.since
          ORDER BY s.org_id, s.dialect, s.session_id
             ON CONFLICT (org_id, dialect, session_id)
             DO UPDATE SET due_at = EXCLUDED.due_at WHERE e.due_at > EXCLUDED.due_at",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &since
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A session that is looked at.
struct DueSession {
    key: RowKey,
    ended_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// The expiry that has been reported.
    sent_for: Option<Timestamp>,
}

impl AdminStore {
    /// Looks at a batch of the sessions that may have expired at `now`, and writes those that have to the feed: each
    /// expiry of a session once, also with concurrent replicas and after a crash. Returns whether there was something to
    /// look at.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn report_expiries(&self, now: Timestamp) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let due = lock_due(&mut transaction, now).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let sessions = lock_sessions(&mut transaction, &due).await?;
        let (mut expired, mut later) = (Vec::new(), BTreeMap::new());
        for session in sessions {
            match State::of(session.ended_at, session.expires_at, now) {
                State::Expired if session.sent_for != session.expires_at => expired.push(session.key),
                State::Open => {
                    later.extend(session.expires_at.map(|expires_at| (session.key, expires_at)));
                }
                State::Expired | State::Ended => {}
            }
        }
        report(&mut transaction, &expired, now).await?;
        // The others have expired, have ended, or do not exist any more.
        let over: Vec<RowKey> = due.iter().copied().filter(|key| !later.contains_key(key)).collect();
        delete(&mut transaction, &over).await?;
        let times: Vec<Timestamp> = later.values().copied().collect();
        let KeyColumns { orgs, dialects, ids } = RowKey::columns(later.keys());
        sqlx::query!(
            "UPDATE session_expiries e SET due_at = later.due_at
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::timestamptz[])
                 AS later (org_id, dialect, session_id, due_at)
              WHERE e.org_id = later.org_id AND e.dialect = later.dialect AND e.session_id = later.session_id",
            &orgs,
            &dialects,
            &ids,
            &times
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Looks at a batch of the sessions that were there before an endpoint. Returns whether there was something to do.
    ///
    /// The feed has what was committed after the endpoint. A transaction that was open then may have written nothing to
    /// it, so the scan begins when all of those have ended.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn scan_expiries(&self) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let endpoint = sqlx::query!(
            r#"SELECT w.org_id, w.webhook_id, w.events, w.dialects, w.expiries_since AS "since!",
                      w.expiry_scan_dialect AS "dialect!", w.expiry_scan_session AS "session!", w.expiry_scan_after
                 FROM webhooks w
                 JOIN organizations o USING (org_id)
                WHERE o.disabled_at IS NULL AND w.disabled_at IS NULL AND w.expiry_scan_dialect IS NOT NULL
                  AND w.expiries_since IS NOT NULL
                  AND (w.expiry_scan_after IS NULL
                       OR w.expiry_scan_after <= feed_horizon())
                ORDER BY random()
                LIMIT 1
                  FOR UPDATE OF w SKIP LOCKED"#
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(endpoint) = endpoint else { return Ok(false) };
        let (org, id) = (endpoint.org_id, endpoint.webhook_id);
        if endpoint.expiry_scan_after.is_none() {
            sqlx::query!(
                "UPDATE webhooks SET expiry_scan_after = feed_end()
                  WHERE org_id = $1 AND webhook_id = $2",
                org,
                id
            )
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            return Ok(true);
        }
        // Across the dialects, because the planner would read and sort all sessions of one.
        let page = sqlx::query!(
            "SELECT dialect, session_id, ended_at, expires_at FROM sessions
              WHERE org_id = $1 AND (dialect, session_id) > ($2, $3)
              ORDER BY dialect, session_id LIMIT 1000",
            org,
            endpoint.dialect,
            endpoint.session
        )
        .fetch_all(&mut *transaction)
        .await?;
        let page: Vec<_> = page.into_iter().take_while(|row| row.dialect == endpoint.dialect).collect();
        let open = page.iter().filter(|row| row.ended_at.is_none() && row.expires_at > Some(endpoint.since));
        let open = open.map(|row| (RowKey::of(org, endpoint.dialect, row.session_id), endpoint.since));
        watch_expiries(&mut transaction, open.collect()).await?;
        let last = page.last().filter(|_| as_limit(page.len()) == SCANNED).map(|row| row.session_id);
        let next = last.map(|last| (endpoint.dialect, last)).or_else(|| {
            let expiring = Subscription::stored(&endpoint.events, &endpoint.dialects).expiring_dialects();
            let next = expiring.into_iter().map(DialectName::code).find(|dialect| *dialect > endpoint.dialect);
            next.map(|dialect| (dialect, Uuid::nil()))
        });
        sqlx::query!(
            "UPDATE webhooks SET expiry_scan_dialect = $3, expiry_scan_session = $4
              WHERE org_id = $1 AND webhook_id = $2",
            org,
            id,
            next.map(|(dialect, _)| dialect),
            next.map(|(_, session)| session)
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes at most `limit` rows of organizations none of whose endpoints receives expiries any more. Returns how
    /// many were deleted.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn delete_expiries(&self, limit: i64) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system_unflushed(&self.here()).await?;
        // Gives this transaction its number before it reads which endpoints there are. The scan of an endpoint that is
        // registered meanwhile then waits for it, and makes again what it deletes.
        sqlx::query_scalar!(r#"SELECT pg_current_xact_id()::text AS "number!""#).fetch_one(&mut *transaction).await?;
        let deleted = sqlx::query!(
            "DELETE FROM session_expiries e
              USING (SELECT found.org_id, found.dialect, found.session_id
                       FROM organizations o
                      CROSS JOIN LATERAL (
                            SELECT e.org_id, e.dialect, e.session_id FROM session_expiries e
                             WHERE e.org_id = o.org_id
                               AND NOT EXISTS (SELECT FROM webhooks w
                                                WHERE w.org_id = o.org_id AND w.expiries_since IS NOT NULL)
                             LIMIT $1) found
                      LIMIT $1) AS old
              WHERE e.org_id = old.org_id AND e.dialect = old.dialect AND e.session_id = old.session_id",
            limit
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(deleted.rows_affected())
    }
}

/// Locks the rows of sessions that have to be looked at, of organizations with an endpoint that receives expiries.
/// Organizations are chosen at random, because those with many sessions would always come first.
async fn lock_due(connection: &mut PgConnection, now: Timestamp) -> Result<Vec<RowKey>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH wanting AS (
               SELECT w.org_id
                 FROM webhooks w
                 JOIN organizations o USING (org_id)
                CROSS JOIN LATERAL (
                      SELECT FROM session_expiries e WHERE e.org_id = w.org_id AND e.due_at <= $1 LIMIT 1) one
                WHERE o.disabled_at IS NULL AND w.disabled_at IS NULL AND w.expiries_since IS NOT NULL
                GROUP BY w.org_id
                ORDER BY random()
                LIMIT $2
           )
           SELECT due.org_id AS "org_id!", due.dialect AS "dialect!", due.session_id AS "session_id!"
             FROM wanting
            CROSS JOIN LATERAL (
                  SELECT e.org_id, e.dialect, e.session_id
                    FROM session_expiries e
                   WHERE e.org_id = wanting.org_id AND e.due_at <= $1
                   ORDER BY e.due_at
                   LIMIT $3
                     FOR UPDATE SKIP LOCKED) due"#,
        now,
        as_limit(MAX_ORGANIZATIONS),
        as_limit(MAX_SESSIONS)
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| RowKey::of(row.org_id, row.dialect, row.session_id)).collect())
}

/// Locks sessions in the order of every writer, and returns the times that their expiry depends on. Those that do not
/// exist are missing.
async fn lock_sessions(connection: &mut PgConnection, keys: &[RowKey]) -> Result<Vec<DueSession>, sqlx::Error> {
    let keys = RowKey::columns(keys);
    let rows = sqlx::query!(
        r#"SELECT s.org_id AS "org_id!", s.dialect AS "dialect!", s.session_id AS "session_id!", s.ended_at,
                  s.expires_at, s.expiry_sent_for
             FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS due (org_id, dialect, session_id)
             JOIN sessions s USING (org_id, dialect, session_id)
            ORDER BY s.org_id, s.dialect, s.session_id
              FOR UPDATE OF s"#,
        &keys.orgs,
        &keys.dialects,
        &keys.ids
    )
    .fetch_all(connection)
    .await?;
    let session = rows.into_iter().map(|row| DueSession {
        key: RowKey::of(row.org_id, row.dialect, row.session_id),
        ended_at: row.ended_at,
        expires_at: row.expires_at,
        sent_for: row.expiry_sent_for,
    });
    Ok(session.collect())
}

/// Writes the expiry of locked sessions to the feed, and notes in their rows that it is written.
async fn report(connection: &mut PgConnection, expired: &[RowKey], now: Timestamp) -> Result<(), sqlx::Error> {
    if expired.is_empty() {
        return Ok(());
    }
    let keys = RowKey::columns(expired);
    sqlx::query!(
        "WITH sent AS (
             UPDATE sessions s SET expiry_sent_for = s.expires_at
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS expired (org_id, dialect, session_id)
              WHERE s.org_id = expired.org_id AND s.dialect = expired.dialect AND s.session_id = expired.session_id
             RETURNING s.org_id, s.dialect, s.session_id
         )
         INSERT INTO session_feed (org_id, place, dialect, session_id, kind, at)
         SELECT org_id, ($4 + row_number() OVER ())::int, dialect, session_id, $5, $6 FROM sent",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        FeedKind::Expired.first_place(),
        FeedKind::Expired.code(),
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the rows of sessions.
async fn delete(connection: &mut PgConnection, keys: &[RowKey]) -> Result<(), sqlx::Error> {
    let keys = RowKey::columns(keys);
    sqlx::query!(
        "DELETE FROM session_expiries e
          USING UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS over (org_id, dialect, session_id)
          WHERE e.org_id = over.org_id AND e.dialect = over.dialect AND e.session_id = over.session_id",
        &keys.orgs,
        &keys.dialects,
        &keys.ids
    )
    .execute(connection)
    .await?;
    Ok(())
}
