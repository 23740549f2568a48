//! What the deletion of sessions writes beside the sessions themselves.

use sqlx::PgConnection;

use super::RowKey;
use super::change::LockedSession;
use crate::domain::{Action, Actor, Timestamp};
use crate::store::audit::{self, Entry, SessionView};

/// Queues the deleted sessions for the erasure of their events.
pub(super) async fn request_erasures(
    connection: &mut PgConnection,
    changed: &[(RowKey, &LockedSession)],
) -> Result<(), sqlx::Error> {
    let erased: Vec<&(RowKey, &LockedSession)> = changed.iter().filter(|(_, locked)| locked.now.is_erased).collect();
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

/// Records who deleted which sessions.
pub(super) async fn record_erasures(
    connection: &mut PgConnection,
    changed: &[(RowKey, &LockedSession)],
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
