//! Days of which a maximum may be too high, because an event is summed up differently since.
//!
//! Counts and sums are corrected when an event changes, but a maximum cannot be. Writers note the day, and a worker
//! lowers the maxima by reading the events.

use sqlx::PgConnection;
use uuid::Uuid;

use super::rebuild::Days;
use crate::domain::{OrgId, Timestamp};

/// Notes days, in the order of their keys.
pub(super) async fn note(connection: &mut PgConnection, days: &[(OrgId, Timestamp)]) -> Result<(), sqlx::Error> {
    if days.is_empty() {
        return Ok(());
    }
    let (orgs, days): (Vec<Uuid>, Vec<Timestamp>) = days.iter().map(|(org, day)| (org.0, *day)).unzip();
    sqlx::query!(
        "INSERT INTO captured_recounts (org_id, day)
         SELECT new.org_id, new.day FROM UNNEST($1::uuid[], $2::timestamptz[]) AS new (org_id, day)
          ORDER BY new.org_id, new.day
             ON CONFLICT (org_id, day) DO NOTHING",
        &orgs,
        &days
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes noted days. Concurrent replicas take different days.
pub(in crate::store) async fn take(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<(OrgId, Days)>, sqlx::Error> {
    let rows = sqlx::query!(
        "WITH noted AS (
             SELECT org_id, day FROM captured_recounts ORDER BY org_id, day LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         DELETE FROM captured_recounts r USING noted WHERE r.org_id = noted.org_id AND r.day = noted.day
         RETURNING r.org_id, r.day",
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (OrgId(row.org_id), Days::of(row.day))).collect())
}
