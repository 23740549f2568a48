//! Keys and access tokens that have leaked.

use super::{AdminError, AdminStore};
use crate::domain::{Action, KeyHash, KeyId, OrgId, Timestamp};
use crate::store::audit::{self, Clipped, Entry, TokenView};
use crate::store::scope;

impl AdminStore {
    /// Revokes the key with this hash because it has leaked, as [`AdminStore::revoke_key`] does. Returns its organization
    /// and its id, also if it was revoked before, or `None` if no such key was issued.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn revoke_leaked_key(
        &self,
        hash: KeyHash,
        now: Timestamp,
        reason: &str,
    ) -> Result<Option<(OrgId, KeyId)>, AdminError> {
        let found = self.in_its_shard(|shard| async move {
            let found = sqlx::query!("SELECT org_id, key_id FROM api_key_hashes WHERE key_hash = $1", hash.as_bytes());
            found.fetch_optional(shard.here().reads()).await?.ok_or(AdminError::NotFound("API key"))
        });
        let found = match found.await {
            Ok(found) => found,
            Err(AdminError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let key = KeyId(found.key_id);
        match self.revoke(found.org_id, key, now, Some(reason)).await {
            Ok(_) => Ok(Some((OrgId(found.org_id), key))),
            // It was erased meanwhile.
            Err(AdminError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the access token with this hash at `now`, because it has leaked. Every replica rejects it within a second; its
    /// key and the key's other tokens stay. Returns the organization and the id of the key, also if the token had ended
    /// before, or `None` if there is no such token: one that has ended is deleted when its key gets another one.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_leaked_token(
        &self,
        hash: KeyHash,
        now: Timestamp,
        reason: &str,
    ) -> Result<Option<(OrgId, KeyId)>, AdminError> {
        match self.in_its_shard(|shard| async move { shard.end_token_in_shard(hash, now, reason).await }).await {
            Ok(ended) => Ok(Some(ended)),
            Err(AdminError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn end_token_in_shard(
        &self,
        hash: KeyHash,
        now: Timestamp,
        reason: &str,
    ) -> Result<(OrgId, KeyId), AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let found = sqlx::query!(
            "SELECT k.org_id, k.key_id, t.expires_at
               FROM access_tokens t JOIN api_key_hashes k ON k.key_hash = t.key_hash
              WHERE t.token_hash = $1 FOR UPDATE OF t",
            hash.as_bytes()
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(AdminError::NotFound("access token"))?;
        let (org, key) = (OrgId(found.org_id), KeyId(found.key_id));
        if found.expires_at <= now {
            return Ok((org, key));
        }
        sqlx::query!("UPDATE access_tokens SET expires_at = $2 WHERE token_hash = $1", hash.as_bytes(), now)
            .execute(&mut *transaction)
            .await?;
        // The token itself has no id. Its key has one.
        let entry = Entry::new(org, &self.actor, Action::AccessTokenRevoke, format!("api_key/{key}"))
            .before(&TokenView { expires_at: found.expires_at, revoke_reason: None })?
            .after(&TokenView { expires_at: now, revoke_reason: Some(Clipped(reason)) })?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok((org, key))
    }
}
