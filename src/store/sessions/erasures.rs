//! What the deletion of sessions writes beside the sessions themselves.

use sqlx::PgConnection;
use uuid::Uuid;

use super::RowKey;
use super::changing::ChangingSession;
use crate::domain::{Action, Actor, ErasureScope, Timestamp};
use crate::store::admin::first_erasure_step;
use crate::store::audit::{self, Entry, SessionView};

/// Queues the deleted sessions for the erasure of their events.
pub(super) async fn request_erasures(
    connection: &mut PgConnection,
    changed: &[(RowKey, &ChangingSession)],
) -> Result<(), sqlx::Error> {
    let erased: Vec<&(RowKey, &ChangingSession)> = changed.iter().filter(|(_, locked)| locked.now.is_erased).collect();
    if erased.is_empty() {
        return Ok(());
    }
    let keys = RowKey::columns(erased.iter().map(|(key, _)| key));
    let at: Vec<Timestamp> = erased.iter().map(|(_, locked)| locked.now.updated_at).collect();
    sqlx::query!(
        "INSERT INTO session_erasures (org_id, dialect, session_id, requested_at, due_at)
         SELECT org_id, dialect, session_id, at, at
           FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::timestamptz[]) AS new (org_id, dialect, session_id, at)
             ON CONFLICT DO NOTHING",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the rows of sessions, and queues erasures of everything else that belongs to them.
pub(super) async fn remove(
    connection: &mut PgConnection,
    removed: &[(RowKey, &ChangingSession)],
) -> Result<(), sqlx::Error> {
    let keys = RowKey::columns(removed.iter().map(|(key, _)| key));
    // The nonce is drawn at random, so it can be the id of the erasure.
    let ids: Vec<Uuid> = removed.iter().map(|(_, locked)| locked.last_change.unwrap_or_default()).collect();
    let subjects: Vec<&str> = removed.iter().map(|(_, locked)| locked.before.public_id.as_str()).collect();
    let at: Vec<Timestamp> = removed.iter().map(|(_, locked)| locked.now.updated_at).collect();
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM sessions s
              USING UNNEST($1::uuid[], $2::smallint[], $3::uuid[]) AS old (org_id, dialect, session_id)
              WHERE s.org_id = old.org_id AND s.dialect = old.dialect AND s.session_id = old.session_id
         ), named AS (
             INSERT INTO erasure_sessions (org_id, erasure_id, dialect, session_id)
             SELECT org_id, erasure_id, dialect, session_id
               FROM UNNEST($1::uuid[], $2::smallint[], $3::uuid[], $4::uuid[])
                 AS new (org_id, dialect, session_id, erasure_id)
         )
         INSERT INTO erasures (org_id, erasure_id, scope, subject, requested_at, step, due_at)
         SELECT org_id, erasure_id, $7, subject, at, $8::text::json, at
           FROM UNNEST($1::uuid[], $4::uuid[], $5::text[], $6::timestamptz[]) AS new (org_id, erasure_id, subject, at)",
        &keys.orgs,
        &keys.dialects,
        &keys.ids,
        &ids,
        &subjects as &[&str],
        &at,
        ErasureScope::Session.code(),
        first_erasure_step(ErasureScope::Session).map_err(|error| sqlx::Error::Encode(error.into()))?
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Records who deleted which sessions.
pub(super) async fn record_erasures(
    connection: &mut PgConnection,
    changed: &[(RowKey, &ChangingSession)],
) -> Result<(), sqlx::Error> {
    let erased = changed.iter().filter(|(_, locked)| locked.now.is_erased);
    let entries: Result<Vec<Entry<'_>>, serde_json::Error> = erased
        .map(|(key, locked)| {
            let actor = locked.erased_by.as_deref().unwrap_or(&Actor::SERVICE);
            let target = format!("session/{}/{}", locked.now.dialect, key.id);
            Entry::new(key.org, actor, Action::SessionDelete, target).before(&SessionView::from(&locked.before))
        })
        .collect();
    audit::append(connection, &entries.map_err(|error| sqlx::Error::Encode(error.into()))?).await
}
