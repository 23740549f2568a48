//! Users of changed sessions, and their other ids, by which an erasure finds the sessions as well.

use sqlx::PgConnection;

use super::RowKey;
use super::changing::ChangingSession;
use crate::domain::SessionUser;

/// Returns whose session it is now, if a change made it another user's.
pub(super) fn new_user(ChangingSession { before, now, .. }: &ChangingSession) -> Option<SessionUser> {
    let is_unchanged = now.metadata == before.metadata && now.detail == before.detail;
    let user = (!is_unchanged && !now.dialect.has_user_field()).then(|| now.user())?;
    (user != before.user()).then_some(user)
}

/// Returns the users to store with changed sessions. A user who stays is written as well: Postgres compares the value, and
/// has no index to change.
pub(super) fn stored_ids<'s>(
    sessions: &'s [(RowKey, &ChangingSession)],
    new_users: &'s [Option<SessionUser>],
) -> Vec<Option<&'s str>> {
    let ids = sessions.iter().zip(new_users).map(|((_, session), new)| match new {
        Some(user) => user.id.as_deref(),
        None => session.before.user_id.as_deref(),
    });
    ids.collect()
}

/// Replaces the aliases of sessions whose rows are locked.
pub(in crate::store) async fn replace(
    connection: &mut PgConnection,
    sessions: &[(RowKey, Vec<String>)],
) -> Result<(), sqlx::Error> {
    if sessions.is_empty() {
        return Ok(());
    }
    delete(connection, &sessions.iter().map(|(key, _)| *key).collect::<Vec<_>>()).await?;
    let aliases = || sessions.iter().flat_map(|(key, aliases)| aliases.iter().map(|alias| (*key, alias.as_str())));
    let (keys, ids): (Vec<RowKey>, Vec<&str>) = aliases().unzip();
    if keys.is_empty() {
        return Ok(());
    }
    let keys = RowKey::columns(&keys);
    sqlx::query!(
        "INSERT INTO session_aliases (org_id, dialect, session_id, user_id)
         SELECT org_id, dialect, session_id, user_id
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::text[]) AS new (org_id, dialect, session_id, user_id)
             ON CONFLICT DO NOTHING",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &ids as &[&str]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the aliases of sessions.
pub(in crate::store) async fn delete(connection: &mut PgConnection, keys: &[RowKey]) -> Result<(), sqlx::Error> {
    let keys = RowKey::columns(keys);
    sqlx::query!(
        "DELETE FROM session_aliases a
          USING UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS gone (org_id, dialect, session_id)
          WHERE a.org_id = gone.org_id AND a.dialect = gone.dialect AND a.session_id = gone.session_id",
        &keys.orgs,
        &keys.dialects,
        &keys.ids
    )
    .execute(connection)
    .await?;
    Ok(())
}
