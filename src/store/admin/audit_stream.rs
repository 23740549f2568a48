//! Which entries of the audit log are still to be sent to the address that the deployment names.

use chrono::TimeDelta;

use super::{AdminError, AdminStore};
use crate::domain::{OrgId, Timestamp};
use crate::store::audit::AuditRow;
use crate::store::scope;

/// Entries of one batch. An entry has at most 20 KiB.
const BATCH: i64 = 100;

/// Entries of one organization that were not sent yet, in their order.
#[derive(Debug)]
pub struct UnsentEntries {
    pub org: OrgId,
    pub entries: Vec<AuditRow>,
}

impl AdminStore {
    /// Leases the oldest unsent entries of an organization after `after`, at most 100 of them, for `lease`. Returns
    /// `None` if no organization after it has unsent entries that are not leased.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn lease_audit_entries(
        &self,
        now: Timestamp,
        lease: TimeDelta,
        after: OrgId,
    ) -> Result<Option<UnsentEntries>, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let leased = sqlx::query!(
            "UPDATE audit_streams SET busy_until = $2
              WHERE org_id = (SELECT org_id FROM audit_streams
                               WHERE newest > sent AND busy_until <= $1 AND org_id > $3
                               ORDER BY org_id LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING org_id, sent",
            now,
            now + lease,
            after.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(leased) = leased else {
            transaction.commit().await?;
            return Ok(None);
        };
        let entries = sqlx::query_as!(
            AuditRow,
            r#"SELECT number, at, actor_kind, actor, issuer, address, request_id, action, target,
                      before::text, after::text, encode(hash, 'hex') AS "hash!"
                 FROM audit_entries
                WHERE org_id = $1 AND number > $2
                ORDER BY number LIMIT $3"#,
            leased.org_id,
            leased.sent,
            BATCH
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(UnsentEntries { org: OrgId(leased.org_id), entries }))
    }

    /// Records that an organization's entries up to `number` were sent, and ends the lease.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn audit_entries_sent(&self, org: OrgId, number: i64) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        sqlx::query!(
            "UPDATE audit_streams SET sent = GREATEST(sent, $2), busy_until = '-infinity' WHERE org_id = $1",
            org.0,
            number
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
