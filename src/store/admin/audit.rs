//! The audit log as an administrator reads it.

use std::sync::Arc;

use futures::TryStreamExt;

use super::{AdminError, AdminStore};
use crate::domain::{Action, Actor, OrgId, Timestamp};
use crate::store::audit::{self, AuditRow, Check, Entry, StoredEntry, Verified};
use crate::store::{TenantStore, scope};

impl AdminStore {
    /// Returns a store whose acts are recorded as this actor's.
    #[must_use]
    pub fn acting_for(self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self }
    }

    /// Returns a store whose acts are recorded as those of the caller of this store.
    #[must_use]
    pub fn acting_for_caller_of(&self, store: &TenantStore) -> Self {
        let actor = store.shared_actor().unwrap_or_else(|| Arc::clone(&self.actor));
        Self { actor, ..self.clone() }
    }

    /// Returns at most `limit` entries of an organization's log since `since`, newest first, of one action or all.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn audit_entries(
        &self,
        org: OrgId,
        since: Timestamp,
        action: Option<Action>,
        after: Option<(Timestamp, i64)>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, AdminError> {
        let (at, number) = after.unwrap_or((Timestamp::MAX_UTC, i64::MAX));
        // Two statements, because each has an index in its order.
        let rows = match action {
            None => {
                sqlx::query_as!(
                    AuditRow,
                    r#"SELECT number, at, actor_kind, actor, issuer, address, request_id, action, target,
                              before::text, after::text, encode(hash, 'hex') AS "hash!"
                         FROM audit_entries
                        WHERE org_id = $1 AND at >= $2 AND (at, number) < ($3, $4)
                        ORDER BY at DESC, number DESC LIMIT $5"#,
                    org.0,
                    since,
                    at,
                    number,
                    limit
                )
                .fetch_all(self.pool(org).reads())
                .await?
            }
            Some(action) => {
                sqlx::query_as!(
                    AuditRow,
                    r#"SELECT number, at, actor_kind, actor, issuer, address, request_id, action, target,
                              before::text, after::text, encode(hash, 'hex') AS "hash!"
                         FROM audit_entries
                        WHERE org_id = $1 AND action = $6 AND at >= $2 AND (at, number) < ($3, $4)
                        ORDER BY at DESC, number DESC LIMIT $5"#,
                    org.0,
                    since,
                    at,
                    number,
                    limit,
                    action.as_str()
                )
                .fetch_all(self.pool(org).reads())
                .await?
            }
        };
        Ok(rows)
    }

    /// Reads an organization's whole log and computes its hashes again.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn verify_audit(&self, org: OrgId) -> Result<Verified, AdminError> {
        let mut transaction = scope::begin_system_snapshot(&self.pool(org)).await?;
        let head = sqlx::query!("SELECT number, hash FROM audit_heads WHERE org_id = $1", org.0)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut check = Check::new(org);
        {
            let mut entries = sqlx::query_as!(
                StoredEntry,
                "SELECT number, at, actor_kind, actor, issuer, address, request_id, action, target, before::text,
                        after::text, previous_hash, hash
                   FROM audit_entries WHERE org_id = $1 ORDER BY number",
                org.0
            )
            .fetch(&mut *transaction);
            while let Some(entry) = entries.try_next().await? {
                check.entry(entry);
            }
        }
        transaction.commit().await?;
        Ok(check.finish(head.map(|head| (head.number, head.hash))))
    }

    /// Records that an organization's sessions are exported.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn record_export(&self, org: OrgId) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let entry = Entry::new(org, &self.actor, Action::SessionExport, format!("organization/{org}"));
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }
}
