use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::{Action, AllowedAddresses, ApiKey, KeyId, KeyPrefix, OrgId, Scopes, Timestamp};
use crate::store::audit::{self, Clipped, Entry, KeyView, ReplacementView};
use crate::store::directory::write_scopes;
use crate::store::scope::{self, PooledTransaction};

pub struct NewKey<'a> {
    pub id: KeyId,
    pub org: OrgId,
    pub name: &'a str,
    pub prefix: &'a KeyPrefix,
    pub key: &'a ApiKey,
    pub scopes: Scopes,
    pub created_at: Timestamp,
    /// `None` if the key does not expire.
    pub expires_at: Option<Timestamp>,
    /// The networks from which it may be used; `None` for everywhere.
    pub allowed_addresses: Option<&'a AllowedAddresses>,
}

#[derive(Debug)]
pub struct KeyRow {
    pub org_id: Uuid,
    pub key_id: Uuid,
    pub name: String,
    pub prefix: String,
    /// The first characters after the prefix, if they were stored.
    pub hint: Option<String>,
    pub scopes: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The networks from which it may be used; `None` for everywhere.
    pub allowed_addresses: Option<Vec<String>>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<Timestamp>,
}

impl KeyRow {
    /// Returns what the audit log shows of it.
    fn view(&self) -> KeyView<'_> {
        let view = KeyView::named(&self.name, &self.prefix, self.scopes.clone(), self.expires_at);
        let allowed_addresses = self.allowed_addresses.clone().unwrap_or_default();
        KeyView { revoked_at: self.revoked_at, allowed_addresses, ..view }
    }
}

impl AdminStore {
    /// Stores the hash of a key.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn create_key(&self, new: &NewKey<'_>) -> Result<(), AdminError> {
        let hash = new.key.hash();
        let addresses = new.allowed_addresses.map(AllowedAddresses::texts);
        let mut transaction = scope::begin_system(&self.pool(new.org)).await?;
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
            "INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes, expires_at, allowed_addresses)
             VALUES ($1, $2, $3, $4, $5, $6)",
            hash.as_bytes(),
            new.org.0,
            new.id.0,
            &write_scopes(new.scopes),
            new.expires_at,
            addresses.as_deref()
        )
        .execute(&mut *transaction)
        .await?;
        let view = KeyView::named(new.name, new.prefix.as_str(), new.scopes.names(), new.expires_at);
        let entry = Entry::new(new.org, &self.actor, Action::ApiKeyCreate, format!("api_key/{}", new.id))
            .after(&KeyView { allowed_addresses: addresses.unwrap_or_default(), ..view })?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the keys of an organization, oldest first, including revoked ones.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn keys(&self, org: OrgId) -> Result<Vec<KeyRow>, AdminError> {
        Ok(sqlx::query_as!(
            KeyRow,
            "SELECT k.org_id, k.key_id, k.name, k.prefix, k.hint, h.scopes, k.created_at, h.expires_at, h.revoked_at,
                    h.allowed_addresses, k.last_used_at
               FROM api_keys k JOIN api_key_hashes h ON h.org_id = k.org_id AND h.key_id = k.key_id
              WHERE k.org_id = $1 ORDER BY k.created_at, k.key_id",
            org.0
        )
        .fetch_all(self.pool(org).reads())
        .await?)
    }

    /// Returns the key with this id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such key.
    pub async fn key(&self, key: KeyId) -> Result<KeyRow, AdminError> {
        self.in_its_shard(|shard| async move { shard.key_in_shard(key).await }).await
    }

    async fn key_in_shard(&self, key: KeyId) -> Result<KeyRow, AdminError> {
        // Joins the organizations because `org_id` comes first in the index that has the key's id.
        sqlx::query_as!(
            KeyRow,
            r#"SELECT k.org_id, k.key_id, k.name, k.prefix, k.hint, h.scopes, k.created_at, h.expires_at, h.revoked_at,
                      h.allowed_addresses, k.last_used_at
                 FROM organizations o
                 JOIN api_keys k ON k.org_id = o.org_id AND k.key_id = $1
                 JOIN api_key_hashes h ON h.org_id = k.org_id AND h.key_id = k.key_id"#,
            key.0
        )
        .fetch_optional(self.here().reads())
        .await?
        .ok_or(AdminError::NotFound("API key"))
    }

    /// Revokes the key at `now`. Every replica rejects it within a second. Revoking it again changes nothing. Returns
    /// the key as it was before.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such key.
    pub async fn revoke_key(&self, key: KeyId, now: Timestamp) -> Result<KeyRow, AdminError> {
        let org = self.key(key).await?.org_id;
        self.revoke(org, key, now, None).await
    }

    /// Revokes a key of an organization, with a reason that is stored with it. Returns the key as it was before.
    pub(super) async fn revoke(
        &self,
        org: Uuid,
        key: KeyId,
        now: Timestamp,
        reason: Option<&str>,
    ) -> Result<KeyRow, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(OrgId(org))).await?;
        let before = locked_key(&mut transaction, org, key).await?;
        if before.revoked_at.is_some() {
            return Ok(before);
        }
        sqlx::query!(
            "UPDATE api_key_hashes SET revoked_at = $3 WHERE org_id = $1 AND key_id = $2 AND revoked_at IS NULL",
            org,
            key.0,
            now
        )
        .execute(&mut *transaction)
        .await?;
        if reason.is_some() {
            sqlx::query!(
                "UPDATE api_keys SET revoke_reason = $3 WHERE org_id = $1 AND key_id = $2",
                org,
                key.0,
                reason
            )
            .execute(&mut *transaction)
            .await?;
        }
        let entry = Entry::new(OrgId(org), &self.actor, Action::ApiKeyRevoke, format!("api_key/{key}"))
            .before(&before.view())?
            .after(&KeyView { revoked_at: Some(now), revoke_reason: reason.map(Clipped), ..before.view() })?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(before)
    }

    /// Sets the networks from which a key may be used; `None` for everywhere. Replicas apply the change within a second.
    /// Returns the key as it was before.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such key, [`AdminError::KeyHasEnded`] when it is revoked.
    pub async fn set_key_addresses(
        &self,
        key: KeyId,
        addresses: Option<&AllowedAddresses>,
    ) -> Result<KeyRow, AdminError> {
        let org = self.key(key).await?.org_id;
        let addresses = addresses.map(AllowedAddresses::texts);
        let mut transaction = scope::begin_system(&self.pool(OrgId(org))).await?;
        let before = locked_key(&mut transaction, org, key).await?;
        if before.revoked_at.is_some() {
            return Err(AdminError::KeyHasEnded(key));
        }
        sqlx::query!(
            "UPDATE api_key_hashes SET allowed_addresses = $3 WHERE org_id = $1 AND key_id = $2",
            org,
            key.0,
            addresses.as_deref()
        )
        .execute(&mut *transaction)
        .await?;
        if before.allowed_addresses != addresses {
            let view = before.view();
            let entry = Entry::new(OrgId(before.org_id), &self.actor, Action::ApiKeyUpdate, format!("api_key/{key}"))
                .before(&view)?
                .after(&KeyView {
                    allowed_addresses: addresses.unwrap_or_default(),
                    changed: vec!["allowed_addresses"],
                    ..before.view()
                })?;
            audit::append_as_system(&mut transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(before)
    }

    /// Returns at most `limit` usable keys that end after `now` and until `until`, the earliest first, of enabled
    /// organizations.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn expiring_keys(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<ExpiringKey>, AdminError> {
        let keys = self.everywhere(|shard| async move { shard.expiring_in_shard(now, until, limit).await }).await?;
        let mut keys: Vec<ExpiringKey> = keys.into_iter().flatten().collect();
        keys.sort_by_key(|key| (key.expires_at, key.key_id));
        keys.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(keys)
    }

    async fn expiring_in_shard(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<ExpiringKey>, AdminError> {
        Ok(sqlx::query_as!(
            ExpiringKey,
            r#"SELECT k.org_id, k.key_id, k.name, ends.at AS "expires_at!", k.last_used_at
                 FROM (SELECT h.org_id, h.key_id, h.at
                         FROM organizations o
                         JOIN LATERAL (SELECT x.org_id, x.key_id, COALESCE(x.expires_at, 'infinity') AS at
                                         FROM api_key_hashes x
                                        WHERE x.org_id = o.org_id AND x.revoked_at IS NULL
                                          AND COALESCE(x.expires_at, 'infinity') > $1
                                          AND COALESCE(x.expires_at, 'infinity') <= $2
                                        ORDER BY COALESCE(x.expires_at, 'infinity') LIMIT $3) h ON true
                        WHERE o.disabled_at IS NULL
                        ORDER BY h.at, h.key_id LIMIT $3) AS ends
                 JOIN LATERAL (SELECT * FROM api_keys x WHERE x.org_id = ends.org_id AND x.key_id = ends.key_id LIMIT 1) k
                   ON true
                ORDER BY ends.at, k.key_id"#,
            now,
            until,
            limit
        )
        .fetch_all(self.here().reads())
        .await?)
    }

    /// Stores a key that replaces another one and copies its name, scopes, networks, description and metadata. In the same
    /// transaction, sets the old key's end to `old_ends`, unless it ends earlier. Replicas apply the change within a
    /// second. Returns the old key as it was before.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such key, [`AdminError::KeyHasEnded`] when the old key is revoked or
    /// expired.
    pub async fn replace_key(&self, old: KeyId, new: &Replacement<'_>) -> Result<KeyRow, AdminError> {
        let org = self.key(old).await?.org_id;
        let mut transaction = scope::begin_system(&self.pool(OrgId(org))).await?;
        let before = locked_key(&mut transaction, org, old).await?;
        if before.revoked_at.is_some() || before.expires_at.is_some_and(|end| end <= new.created_at) {
            return Err(AdminError::KeyHasEnded(old));
        }
        sqlx::query!(
            "INSERT INTO api_keys (org_id, key_id, name, description, metadata, prefix, hint, created_at)
             SELECT org_id, $3, name, description, metadata, prefix, $4, $5
               FROM api_keys WHERE org_id = $1 AND key_id = $2",
            org,
            old.0,
            new.id.0,
            new.key.hint(),
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        let hash = new.key.hash();
        sqlx::query!(
            "INSERT INTO api_key_hashes (key_hash, org_id, key_id, scopes, expires_at, allowed_addresses)
             VALUES ($1, $2, $3, $4, $5, $6)",
            hash.as_bytes(),
            org,
            new.id.0,
            &before.scopes,
            new.expires_at,
            before.allowed_addresses.as_deref()
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE api_key_hashes
                SET revoked_at = CASE WHEN $3::timestamptz <= $4::timestamptz THEN $4 END,
                    expires_at = LEAST(expires_at, $3)
              WHERE org_id = $1 AND key_id = $2",
            org,
            old.0,
            new.old_ends,
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        let entry = Entry::new(OrgId(org), &self.actor, Action::ApiKeyRotate, format!("api_key/{old}"))
            .before(&before.view())?
            .after(&ReplacementView { replaced_by: new.id, ends_at: new.old_ends })?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(before)
    }
}

/// Returns a key and locks its rows, so that concurrent changes are applied one after another.
///
/// # Errors
/// [`AdminError::NotFound`] when there is no such key.
async fn locked_key(transaction: &mut PooledTransaction, org: Uuid, key: KeyId) -> Result<KeyRow, AdminError> {
    sqlx::query_as!(
        KeyRow,
        "SELECT k.org_id, k.key_id, k.name, k.prefix, k.hint, h.scopes, k.created_at, h.expires_at, h.revoked_at,
                h.allowed_addresses, k.last_used_at
           FROM api_keys k JOIN api_key_hashes h ON h.org_id = k.org_id AND h.key_id = k.key_id
          WHERE k.org_id = $1 AND k.key_id = $2
            FOR UPDATE",
        org,
        key.0
    )
    .fetch_optional(&mut **transaction)
    .await?
    .ok_or(AdminError::NotFound("API key"))
}

/// A usable key that ends soon.
#[derive(Debug)]
pub struct ExpiringKey {
    pub org_id: Uuid,
    pub key_id: Uuid,
    pub name: String,
    pub expires_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// A key that replaces another one.
pub struct Replacement<'a> {
    pub id: KeyId,
    pub key: &'a ApiKey,
    pub created_at: Timestamp,
    /// `None` if the key does not expire.
    pub expires_at: Option<Timestamp>,
    /// When the old key ends. At `created_at` or before, the old key is revoked.
    pub old_ends: Timestamp,
}
