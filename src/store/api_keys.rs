//! The API keys of one organization. Scopes and expiry are stored in the table where keys are looked up before the
//! organization is known, behind functions that do not touch keys of another organization. The name, description and
//! metadata of keys are tenant rows like others.

use uuid::Uuid;

use super::audit::{self, Entry, KeyView, ReplacementView};
use super::bytes::{self, MAX_PAGE_BYTES, Page, Weighed, json_bytes, optional_json_bytes};
use super::directory::{read_addresses, read_scopes, write_scopes};
use super::scope::PooledTransaction;
use super::{StoreError, TenantStore, keyset, scope};
use crate::domain::{Action, AllowedAddresses, ApiKey, IssuedKey, JsonText, KeyId, Timestamp};

/// Active keys of one organization. Concurrent creates may exceed this.
pub const MAX_KEYS: i32 = 1_000;

/// A key's position in the organization's list.
pub type ApiKeyCursor = (Timestamp, Uuid);

pub struct ApiKeys<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn api_keys(&self) -> ApiKeys<'_> {
        ApiKeys(self)
    }
}

/// Keys, newest first.
#[derive(Debug)]
pub struct KeyPage {
    pub keys: Vec<IssuedKey>,
    /// The cursor of the next page: the last of these keys, if there are more.
    pub next: Option<ApiKeyCursor>,
}

/// A key that replaces another one.
pub struct KeyReplacement {
    pub key: ApiKey,
    pub issued: IssuedKey,
    /// When the old key ends.
    pub old_ends: Timestamp,
}

/// What became of a replacement of a key.
#[must_use]
pub enum KeyReplaced<E> {
    By(Box<KeyReplacement>),
    /// There is no such key.
    Missing,
    /// The organization has as many active keys as it may have.
    TooMany,
    /// The rule rejected the replacement, and nothing was changed.
    Rejected(E),
}

struct KeyRow {
    key_id: Uuid,
    name: String,
    description: Option<String>,
    metadata: String,
    prefix: String,
    hint: Option<String>,
    scopes: Vec<String>,
    created_by: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    revoke_reason: Option<String>,
    allowed_addresses: Option<Vec<String>>,
    last_used_at: Option<Timestamp>,
}

impl Weighed for KeyRow {
    fn text_bytes(&self) -> usize {
        let texts = [&self.description, &self.hint, &self.created_by, &self.revoke_reason];
        let texts: usize = texts.into_iter().map(|text| optional_json_bytes(text.as_deref())).sum();
        let words = self.scopes.iter().chain(self.allowed_addresses.iter().flatten());
        let words: usize = words.map(|word| word.len() + 3).sum();
        texts + json_bytes(&self.name) + json_bytes(&self.prefix) + words + self.metadata.len()
    }
}

impl TryFrom<KeyRow> for IssuedKey {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, Self::Error> {
        Ok(Self {
            id: KeyId(row.key_id),
            name: row.name,
            description: row.description,
            metadata: JsonText::stored(row.metadata)?,
            prefix: row.prefix.parse().map_err(|error| StoreError::Unreadable(format!("{error}")))?,
            hint: row.hint,
            scopes: read_scopes(&row.scopes)?,
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            revoke_reason: row.revoke_reason,
            allowed_addresses: read_addresses(row.allowed_addresses)?,
            last_used_at: row.last_used_at,
        })
    }
}

impl ApiKeys<'_> {
    /// Stores a new key: its hash and its description. Returns `false` if the organization has as many active keys as
    /// it may have.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn issue(&self, key: &ApiKey, issued: &IssuedKey) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        if self.active_keys(&mut transaction, issued.created_at).await? >= MAX_KEYS {
            return Ok(false);
        }
        self.insert(&mut transaction, key, issued).await?;
        let target = format!("api_key/{}", issued.id);
        let entry =
            Entry::new(self.0.org, self.0.actor(), Action::ApiKeyCreate, target).after(&KeyView::from(issued))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Returns how many keys are neither revoked nor expired, counted up to [`MAX_KEYS`].
    async fn active_keys(&self, transaction: &mut PooledTransaction, now: Timestamp) -> Result<i32, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT count_good_api_keys($1, $2, $3) AS "count!""#, self.0.org.0, now, MAX_KEYS)
            .fetch_one(&mut **transaction)
            .await?)
    }

    async fn insert(
        &self,
        transaction: &mut PooledTransaction,
        key: &ApiKey,
        issued: &IssuedKey,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO api_keys (org_id, key_id, name, description, metadata, prefix, hint, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5::text::json, $6, $7, $8, $9)",
            self.0.org.0,
            issued.id.0,
            issued.name,
            issued.description,
            issued.metadata.as_str(),
            issued.prefix.as_str(),
            issued.hint,
            // A token may contain U+0000, which Postgres cannot store in a text.
            issued.created_by.as_deref().filter(|subject| !subject.contains('\0')),
            issued.created_at
        )
        .execute(&mut **transaction)
        .await?;
        let (hash, addresses) = (key.hash(), issued.allowed_addresses.as_ref().map(AllowedAddresses::texts));
        sqlx::query!(
            "SELECT keep_api_key($1, $2, $3, $4, $5, $6)",
            hash.as_bytes(),
            self.0.org.0,
            issued.id.0,
            &write_scopes(issued.scopes),
            issued.expires_at,
            addresses.as_deref()
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// Returns the key with this id, revoked or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn find(&self, id: KeyId) -> Result<Option<IssuedKey>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let found = self.read(&mut transaction, &[id.0]).await?.rows.pop();
        transaction.commit().await?;
        Ok(found)
    }

    /// Replaces a key by the one that `rule` makes from it, under a lock: stores the new key, and ends the old one at
    /// the replacement's time unless it ends earlier. At `now` or before, the old key is revoked. Replicas apply the
    /// change within a second.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn replace<E: Send>(
        &self,
        old: KeyId,
        now: Timestamp,
        rule: impl FnOnce(&IssuedKey) -> Result<KeyReplacement, E> + Send,
    ) -> Result<KeyReplaced<E>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let Some(before) = self.locked(&mut transaction, old).await? else { return Ok(KeyReplaced::Missing) };
        let new = match rule(&before) {
            Ok(new) => new,
            Err(error) => return Ok(KeyReplaced::Rejected(error)),
        };
        let is_revoked = new.old_ends <= now;
        if !is_revoked && self.active_keys(&mut transaction, now).await? >= MAX_KEYS {
            return Ok(KeyReplaced::TooMany);
        }
        self.insert(&mut transaction, &new.key, &new.issued).await?;
        let ends_at = before.expires_at.map_or(new.old_ends, |end| end.min(new.old_ends));
        sqlx::query!("SELECT end_api_key($1, $2, $3, $4)", self.0.org.0, old.0, ends_at, is_revoked.then_some(now))
            .execute(&mut *transaction)
            .await?;
        let entry = Entry::new(self.0.org, self.0.actor(), Action::ApiKeyRotate, format!("api_key/{old}"))
            .before(&KeyView::from(&before))?
            .after(&ReplacementView { replaced_by: new.issued.id, ends_at: new.old_ends })?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        self.0.lookup_cache().key_changes.happened();
        Ok(KeyReplaced::By(Box::new(new)))
    }

    /// Returns a key and locks it until the transaction ends.
    async fn locked(&self, transaction: &mut PooledTransaction, id: KeyId) -> Result<Option<IssuedKey>, StoreError> {
        let locked = sqlx::query_scalar!(
            "SELECT key_id FROM api_keys WHERE org_id = $1 AND key_id = $2 FOR UPDATE",
            self.0.org.0,
            id.0
        )
        .fetch_all(&mut **transaction)
        .await?;
        Ok(self.read(transaction, &locked).await?.rows.pop())
    }

    /// Returns at most `limit` keys and at most [`MAX_PAGE_BYTES`], newest first, including revoked ones.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn list(&self, after: Option<ApiKeyCursor>, limit: usize) -> Result<KeyPage, StoreError> {
        let (at, id) = keyset::or_latest(after);
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let mut ids = sqlx::query_scalar!(
            "SELECT key_id FROM api_keys
              WHERE org_id = $1
                AND (created_at, key_id) < ($2, $3)
              ORDER BY created_at DESC, key_id DESC
              LIMIT $4",
            self.0.org.0,
            at,
            id,
            i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
        )
        .fetch_all(&mut *transaction)
        .await?;
        let more = ids.len() > limit;
        ids.truncate(limit);
        let Page { rows: keys, cut } = self.read(&mut transaction, &ids).await?;
        if !cut {
            transaction.commit().await?;
        }
        let next = keys.last().filter(|_| more || cut).map(|key| (key.created_at, key.id.0));
        Ok(KeyPage { keys, next })
    }

    /// Changes a key's name, description, metadata, end and networks by a rule, under a lock. Returns `None` when there is no
    /// such key. Other changes of the rule are ignored, and a revoked key stays revoked.
    ///
    /// The audit log has the change as `action`, unless the rule changes nothing.
    ///
    /// This replica rejects a key that has ended, and its access tokens, from the next request on; other replicas do so
    /// within a second.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn change(
        &self,
        id: KeyId,
        action: Action,
        rule: impl FnOnce(&mut IssuedKey) + Send,
    ) -> Result<Option<IssuedKey>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let Some(found) = self.locked(&mut transaction, id).await? else { return Ok(None) };
        let mut key = found.clone();
        rule(&mut key);
        sqlx::query!(
            "UPDATE api_keys SET name = $3, description = $4, metadata = $5::text::json, revoke_reason = $6
              WHERE org_id = $1 AND key_id = $2",
            self.0.org.0,
            id.0,
            key.name,
            key.description,
            key.metadata.as_str(),
            key.revoke_reason
        )
        .execute(&mut *transaction)
        .await?;
        let ends = (key.expires_at, key.revoked_at);
        let ends_otherwise = ends != (found.expires_at, found.revoked_at);
        if ends_otherwise {
            sqlx::query!("SELECT end_api_key($1, $2, $3, $4)", self.0.org.0, id.0, ends.0, ends.1)
                .execute(&mut *transaction)
                .await?;
        }
        let is_bound_otherwise = key.allowed_addresses != found.allowed_addresses;
        if is_bound_otherwise {
            let addresses = key.allowed_addresses.as_ref().map(AllowedAddresses::texts);
            sqlx::query!("SELECT bind_api_key($1, $2, $3)", self.0.org.0, id.0, addresses.as_deref())
                .execute(&mut *transaction)
                .await?;
        }
        if key != found {
            let entry = Entry::new(self.0.org, self.0.actor(), action, format!("api_key/{id}"))
                .before(&KeyView::from(&found))?
                .after(&KeyView::changed(&found, &key))?;
            audit::append(&mut transaction, &[entry]).await?;
        }
        transaction.commit().await?;
        if ends_otherwise || is_bound_otherwise {
            self.0.lookup_cache().key_changes.happened();
        }
        Ok(Some(key))
    }

    /// Returns these keys, newest first, at most [`MAX_PAGE_BYTES`].
    async fn read(&self, transaction: &mut PooledTransaction, ids: &[Uuid]) -> Result<Page<IssuedKey>, StoreError> {
        let rows = sqlx::query_as!(
            KeyRow,
            r#"SELECT k.key_id, k.name, k.description, k.metadata::text AS "metadata!", k.prefix, k.hint,
                      s.scopes AS "scopes!", k.created_by, k.created_at, s.expires_at, s.revoked_at, k.revoke_reason,
                      s.allowed_addresses, k.last_used_at
                 FROM UNNEST($2::uuid[]) AS wanted (key_id)
                 JOIN LATERAL (SELECT * FROM api_keys x WHERE x.org_id = $1 AND x.key_id = wanted.key_id LIMIT 1) k ON true
                 JOIN describe_api_keys($1, $2) s ON s.key_id = k.key_id
                ORDER BY k.created_at DESC, k.key_id DESC"#,
            self.0.org.0,
            ids
        );
        bytes::page(rows.fetch(&mut **transaction), MAX_PAGE_BYTES).await?.try_into_rows()
    }
}
