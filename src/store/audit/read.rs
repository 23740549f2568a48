//! The audit log as its organization reads it.

use super::chain::{AuditPosition, Check, StoredEntry, Verified};
use crate::domain::Timestamp;
use crate::store::{StoreError, TenantStore, scope};

/// An entry of the audit log.
#[derive(Debug)]
pub struct AuditRow {
    pub number: i64,
    pub at: Timestamp,
    pub actor_kind: String,
    pub actor: Option<String>,
    pub issuer: Option<String>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    pub action: String,
    pub target: String,
    /// JSON, like `after`.
    pub before: Option<String>,
    pub after: Option<String>,
    /// In hexadecimal.
    pub hash: String,
}

/// Entries that are read at once.
const PAGE: i64 = 200;
/// Pages that one stretch of a check reads.
const PAGES: usize = 25;

/// The audit log of one organization.
pub struct AuditLog<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn audit_log(&self) -> AuditLog<'_> {
        AuditLog(self)
    }
}

impl AuditLog<'_> {
    /// Returns at most `limit` entries before a number, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn page(&self, before: Option<i64>, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            AuditRow,
            r#"SELECT number, at, actor_kind, actor, issuer, address, request_id, action, target, before::text,
                      after::text, encode(hash, 'hex') AS "hash!"
                 FROM audit_entries
                WHERE org_id = $1 AND number < $2
                ORDER BY number DESC LIMIT $3"#,
            self.0.org.0,
            before.unwrap_or(i64::MAX),
            limit
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// Computes the hashes of the next 5,000 entries again. Returns the result, and the position at which the next
    /// stretch begins, which is `None` at the end of the log.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn verify(&self, from: Option<AuditPosition>) -> Result<(Verified, Option<AuditPosition>), StoreError> {
        let org = self.0.org;
        let mut check = from.map_or_else(|| Check::new(org), |position| Check::after(org, position));
        for _ in 0..PAGES {
            // Entries are appended meanwhile, so the head is read in the snapshot of the last page.
            let mut transaction = scope::begin_search(self.0.pool(), org).await?;
            let entries = sqlx::query_as!(
                StoredEntry,
                "SELECT number, at, actor_kind, actor, issuer, address, request_id, action, target, before::text,
                        after::text, previous_hash, hash
                   FROM audit_entries WHERE org_id = $1 AND number > $2 ORDER BY number LIMIT $3",
                org.0,
                check.position().number,
                PAGE
            )
            .fetch_all(&mut *transaction)
            .await?;
            let is_last = (entries.len() as i64) < PAGE;
            let head = if is_last {
                sqlx::query!("SELECT number, hash FROM audit_heads WHERE org_id = $1", org.0)
                    .fetch_optional(&mut *transaction)
                    .await?
            } else {
                None
            };
            transaction.commit().await?;
            for entry in entries {
                check.entry(entry);
            }
            if is_last {
                return Ok((check.finish(head.map(|head| (head.number, head.hash))), None));
            }
        }
        let next = check.position();
        Ok((check.pause(), Some(next)))
    }
}
