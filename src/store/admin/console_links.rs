//! One-time links to the console.

use super::{AdminError, AdminStore};
use crate::domain::{KeyHash, OrgId, Timestamp};
use crate::store::scope;

impl AdminStore {
    /// Returns the only organization that is not disabled, or `None` if there are none or several.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn only_organization(&self) -> Result<Option<OrgId>, AdminError> {
        let found = self.everywhere(|shard| async move {
            let found = sqlx::query_scalar!("SELECT org_id FROM organizations WHERE disabled_at IS NULL LIMIT 2");
            Ok(found.fetch_all(shard.here().reads()).await?)
        });
        let found = match found.await {
            Ok(found) => found.concat(),
            // The others may be on the node that is down.
            Err(error) if self.may_go_on_after(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(if let [org] = found[..] { Some(OrgId(org)) } else { None })
    }

    /// Stores a one-time link of an organization in the place of the one before.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn replace_console_link(
        &self,
        org: OrgId,
        link: KeyHash,
        expires_at: Timestamp,
    ) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        sqlx::query!(
            "INSERT INTO console_links (org_id, link_hash, expires_at) VALUES ($1, $2, $3)
                 ON CONFLICT (org_id) DO UPDATE
                SET link_hash = EXCLUDED.link_hash, expires_at = EXCLUDED.expires_at, used_at = NULL",
            org.0,
            link.as_bytes(),
            expires_at
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Stores a one-time link of an organization that never had one. Returns `false` if it had.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn first_console_link(
        &self,
        org: OrgId,
        link: KeyHash,
        expires_at: Timestamp,
    ) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let stored = sqlx::query!(
            "INSERT INTO console_links (org_id, link_hash, expires_at) VALUES ($1, $2, $3)
                 ON CONFLICT (org_id) DO NOTHING",
            org.0,
            link.as_bytes(),
            expires_at
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(stored.rows_affected() > 0)
    }
}
