use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::{ApiKey, KeyId, KeyPrefix, OrgId, Scopes, Timestamp};
use crate::store::directory::write_scopes;
use crate::store::scope;

pub struct NewKey<'a> {
    pub id: KeyId,
    pub org: OrgId,
    pub name: &'a str,
    pub prefix: &'a KeyPrefix,
    pub key: &'a ApiKey,
    pub scopes: Scopes,
    pub created_at: Timestamp,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct KeyRow {
    pub key_id: Uuid,
    pub name: String,
    pub prefix: String,
    /// The first characters behind the prefix, where they were kept.
    pub hint: Option<String>,
    pub scopes: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl AdminStore {
    /// Stores the hash of a key.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn create_key(&self, new: &NewKey<'_>) -> Result<(), AdminError> {
        let hash = new.key.hash();
        let mut transaction = scope::begin_system(&self.pool).await?;
        sqlx::query!(
            "INSERT INTO api_keys (org_id, key_id, name, prefix, hint, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
            new.org.0,
            new.id.0,
            new.name,
            new.prefix.as_str(),
            new.key.hint(),
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes, expires_at) VALUES ($1, $2, $3, $4, $5)",
            hash.as_bytes(),
            new.org.0,
            new.id.0,
            &write_scopes(new.scopes),
            new.expires_at
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The keys of an organization, oldest first; revoked ones too.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn keys(&self, org: OrgId) -> Result<Vec<KeyRow>, AdminError> {
        Ok(sqlx::query_as!(
            KeyRow,
            "SELECT k.key_id, k.name, k.prefix, k.hint, h.scopes, k.created_at, h.expires_at, h.revoked_at
               FROM api_keys k JOIN api_key_hashes h ON h.org_id = k.org_id AND h.key_id = k.key_id
              WHERE k.org_id = $1 ORDER BY k.created_at, k.key_id",
            org.0
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Refuses the key from now on, within a second on every replica. Twice is the same as once.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such key.
    pub async fn revoke_key(&self, key: KeyId, now: Timestamp) -> Result<(), AdminError> {
        let changed = sqlx::query!(
            "UPDATE api_key_hashes SET revoked_at = COALESCE(revoked_at, $2) WHERE key_id = $1",
            key.0,
            now
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        if changed == 0 { Err(AdminError::NotFound("API key")) } else { Ok(()) }
    }
}
