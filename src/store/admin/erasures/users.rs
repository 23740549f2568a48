//! Finds the sessions of a user: by the index of users, and by their aliases.
//!
//! Until the worker has seen to the older sessions of an organization ([`AdminStore::store_users`]), the index lacks some
//! of their users. Until then every session of the organization is looked at.

use sqlx::PgConnection;
use uuid::Uuid;

use super::sessions::{BATCH, FoundSession, next};
use super::{ErasureStep, RunningErasure};
use crate::domain::{OrgId, Timestamp};
#[cfg(doc)]
use crate::store::admin::AdminStore;

/// A session's position among those of its user.
pub(super) type UserCursor = (Timestamp, i16, Uuid);

/// After every position, because sessions are read newest first.
pub(super) const NEWEST: UserCursor = (Timestamp::MAX_UTC, i16::MAX, Uuid::max());

/// Returns the ids of a user: this one, and that of the contact with this external id.
pub(super) async fn names(connection: &mut PgConnection, org: OrgId, user: &str) -> Result<Vec<String>, sqlx::Error> {
    let contact = sqlx::query_scalar!(
        r#"SELECT contact_id::text AS "id!" FROM contacts WHERE org_id = $1 AND external_id = $2"#,
        org.0,
        user
    )
    .fetch_optional(connection)
    .await?;
    Ok([Some(user.to_owned()), contact].into_iter().flatten().collect())
}

/// Returns whether all sessions of the organization have their users.
pub(super) async fn are_stored(connection: &mut PgConnection, org: OrgId) -> Result<bool, sqlx::Error> {
    let pending = sqlx::query_scalar!(
        r#"SELECT 1 AS "one!" FROM session_user_backfills WHERE org_id IN ($1, $2) LIMIT 1"#,
        org.0,
        Uuid::nil()
    );
    Ok(pending.fetch_optional(connection).await?.is_none())
}

/// Returns the next sessions whose user has one of these ids, newest first.
pub(super) async fn next_of(
    connection: &mut PgConnection,
    org: OrgId,
    names: &[String],
    after: UserCursor,
) -> Result<Vec<UserCursor>, sqlx::Error> {
    let mut found = Vec::new();
    for name in names {
        let rows = sqlx::query!(
            r#"SELECT created_at, dialect, session_id FROM sessions
                WHERE org_id = $1 AND octet_length(user_id) <= 2048 AND user_id COLLATE "C" = $2
                  AND (created_at, dialect, session_id) < ($3, $4, $5)
                ORDER BY created_at DESC, dialect DESC, session_id DESC LIMIT $6"#,
            org.0,
            name,
            after.0,
            after.1,
            after.2,
            BATCH
        )
        .fetch_all(&mut *connection)
        .await?;
        found.extend(rows.into_iter().map(|row| (row.created_at, row.dialect, row.session_id)));
    }
    // What is cut here is read again after the last one.
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(BATCH as usize);
    Ok(found)
}

/// Returns the next sessions that have one of these ids as an alias, in the order of their keys.
pub(super) async fn next_aliased(
    connection: &mut PgConnection,
    org: OrgId,
    names: &[String],
    after: FoundSession,
) -> Result<Vec<FoundSession>, sqlx::Error> {
    let mut found = Vec::new();
    for name in names {
        let rows = sqlx::query!(
            "SELECT dialect, session_id FROM session_aliases
              WHERE org_id = $1 AND user_id = $2 AND (dialect, session_id) > ($3, $4)
              ORDER BY dialect, session_id LIMIT $5",
            org.0,
            name,
            after.0,
            after.1,
            BATCH
        )
        .fetch_all(&mut *connection)
        .await?;
        found.extend(rows.into_iter().map(|row| (row.dialect, row.session_id)));
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(BATCH as usize);
    Ok(found)
}

impl RunningErasure {
    /// Returns the next sessions of the user, and the step after them.
    pub(super) async fn sessions_of(
        &self,
        connection: &mut PgConnection,
        user: &str,
        (dialect, id, created_at): (i16, Uuid, Option<Timestamp>),
    ) -> Result<(Vec<FoundSession>, Option<ErasureStep>), sqlx::Error> {
        let names = names(connection, self.org, user).await?;
        let step = |dialect, id, created_at| ErasureStep::Sessions { dialect, id, created_at };
        if !are_stored(connection, self.org).await? {
            let seen = next(connection, self.org, (dialect, id)).await?;
            let last = seen.last().map(|seen| step(seen.dialect, seen.session_id, None));
            let found = seen.into_iter().filter_map(|seen| {
                let key = (seen.dialect, seen.session_id);
                let user = seen.user();
                names.iter().any(|name| user.is(name)).then_some(key)
            });
            return Ok((found.collect(), last));
        }
        // A cursor without a time is that of the walk above.
        let after = created_at.map_or(NEWEST, |at| (at, dialect, id));
        let found = next_of(connection, self.org, &names, after).await?;
        if let Some((at, dialect, id)) = found.last() {
            let next = step(*dialect, *id, Some(*at));
            return Ok((found.iter().map(|(_, dialect, id)| (*dialect, *id)).collect(), Some(next)));
        }
        // Aliases are deleted with their sessions, so that the first ones are always the next ones.
        let found = next_aliased(connection, self.org, &names, (i16::MIN, Uuid::nil())).await?;
        let next = (!found.is_empty()).then_some(step(dialect, id, created_at));
        Ok((found, next))
    }
}
