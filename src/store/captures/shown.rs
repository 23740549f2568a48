//! Decides which conversations are shown. An implied session is enabled as long as it has events.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::DIALECT;
use crate::domain::event::Numbering;
use crate::domain::{OrgId, Timestamp};
use crate::store::sessions::RowKey;

/// Returns the sessions that had events and have none now, in the order of their keys. They are empty because their
/// events moved to another session. The counter of a session that never had an event has its last time in 1970.
pub fn emptied(numberings: &HashMap<RowKey, Numbering>) -> Vec<RowKey> {
    let is_emptied = |numbering: &Numbering| {
        numbering.last_number == 0 && numbering.last_at.is_some_and(|at| at > Timestamp::UNIX_EPOCH)
    };
    let mut keys: Vec<RowKey> =
        numberings.iter().filter(|(_, numbering)| is_emptied(numbering)).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys
}

/// Shows sessions again before events are added to them.
pub async fn show(connection: &mut PgConnection, keys: &[RowKey]) -> Result<(), sqlx::Error> {
    let columns = RowKey::columns(keys);
    sqlx::query!(
        "WITH hidden AS (
             SELECT s.org_id, s.dialect, s.session_id
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS wanted (org_id, dialect, session_id)
               JOIN sessions s USING (org_id, dialect, session_id)
              WHERE NOT s.enabled
              ORDER BY s.org_id, s.dialect, s.session_id
                FOR UPDATE OF s
         )
         UPDATE sessions s SET enabled = true
           FROM hidden
          WHERE s.org_id = hidden.org_id AND s.dialect = hidden.dialect AND s.session_id = hidden.session_id",
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes sessions that this transaction created for events which turned out to be known. No other transaction can
/// have seen them.
pub async fn withdraw(connection: &mut PgConnection, keys: &[RowKey]) -> Result<(), sqlx::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let columns = RowKey::columns(keys);
    sqlx::query!(
        "WITH vain AS (
             SELECT * FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS vain (org_id, dialect, session_id)
         ), counters AS (
             DELETE FROM session_counters n USING vain
              WHERE n.org_id = vain.org_id AND n.dialect = vain.dialect AND n.session_id = vain.session_id
         )
         DELETE FROM sessions s USING vain
          WHERE s.org_id = vain.org_id AND s.dialect = vain.dialect AND s.session_id = vain.session_id",
        &columns.orgs,
        &columns.dialects,
        &columns.ids
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The end of a batch of [`settle`].
pub(in crate::store) struct Settled {
    /// The last session that was checked.
    pub last: Uuid,
    pub changed: u64,
}

/// Hides implied sessions without events and shows those that have some, of the next `limit` sessions after `after` in
/// the order of their ids, because an older binary did neither. Returns `None` after the last session.
pub(in crate::store) async fn settle(
    connection: &mut PgConnection,
    org: OrgId,
    after: Uuid,
    limit: i64,
) -> Result<Option<Settled>, sqlx::Error> {
    let last = sqlx::query_scalar!(
        r#"SELECT session_id FROM (SELECT session_id FROM sessions
                                    WHERE org_id = $1 AND dialect = $2 AND session_id > $3
                                    ORDER BY session_id LIMIT $4) batch
            ORDER BY session_id DESC LIMIT 1"#,
        org.0,
        DIALECT.code(),
        after,
        limit
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(last) = last else { return Ok(None) };
    let changed = sqlx::query!(
        "WITH wrong AS (
             SELECT s.session_id, n.last_number > 0 AS is_shown
               FROM sessions s
               JOIN session_counters n USING (org_id, dialect, session_id)
              WHERE s.org_id = $1 AND s.dialect = $2 AND s.session_id > $3 AND s.session_id <= $4
                AND s.enabled <> (n.last_number > 0) AND s.detail->>'implied' = 'true'
              ORDER BY s.session_id
                FOR UPDATE OF s, n
         )
         UPDATE sessions s SET enabled = wrong.is_shown
           FROM wrong
          WHERE s.org_id = $1 AND s.dialect = $2 AND s.session_id = wrong.session_id",
        org.0,
        DIALECT.code(),
        after,
        last
    )
    .execute(connection)
    .await?;
    Ok(Some(Settled { last, changed: changed.rows_affected() }))
}
