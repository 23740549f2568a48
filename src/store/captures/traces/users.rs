//! Users of conversations.

use sqlx::PgConnection;

use super::plan::Plan;
use crate::store::captures::DIALECT;
use crate::store::sessions::RowKey;

/// Updates the user of sessions that got it from a trace, if the trace now names a more explicit one. A session that
/// was captured itself is not changed.
pub async fn rename(connection: &mut PgConnection, plans: &[Plan<'_>]) -> Result<(), sqlx::Error> {
    let mut renamed: Vec<(RowKey, &str, &str)> = plans
        .iter()
        .flat_map(|plan| plan.renamed.iter().map(move |(session, users)| (plan.trace.0, *session, users)))
        .map(|(org, session, (old, new))| (RowKey::new(org, DIALECT, session), old.as_str(), new.as_str()))
        .collect();
    if renamed.is_empty() {
        return Ok(());
    }
    renamed.sort_by_key(|(key, ..)| *key);
    renamed.dedup_by_key(|(key, ..)| *key);
    let keys = RowKey::columns(renamed.iter().map(|(key, ..)| key));
    let old: Vec<&str> = renamed.iter().map(|(_, old, _)| *old).collect();
    let new: Vec<&str> = renamed.iter().map(|(.., new)| *new).collect();
    sqlx::query!(
        "WITH named AS (
             SELECT s.org_id, s.dialect, s.session_id, new.new_id
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::text[], $5::text[])
                 AS new (org_id, dialect, session_id, old_id, new_id)
               JOIN sessions s USING (org_id, dialect, session_id)
              WHERE s.user_id = new.old_id AND s.detail->>'implied' = 'true'
              ORDER BY s.org_id, s.dialect, s.session_id
                FOR UPDATE OF s
         )
         UPDATE sessions s SET user_id = named.new_id
           FROM named
          WHERE s.org_id = named.org_id AND s.dialect = named.dialect AND s.session_id = named.session_id",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &old as &[&str],
        &new as &[&str]
    )
    .execute(connection)
    .await?;
    Ok(())
}
