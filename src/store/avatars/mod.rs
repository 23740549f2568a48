//! The avatars of one organization.

mod images;

pub use images::ImageSlice;

use super::bytes::{self, MAX_PAGE_BYTES, Page, Weighed, json_bytes, optional_json_bytes};
use super::scope::PooledTransaction;
use super::{StoreError, TenantStore, scope};
use crate::domain::{Patch, Timestamp};

pub struct Avatars<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn avatars(&self) -> Avatars<'_> {
        Avatars(self)
    }
}

/// A stored avatar.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredAvatar {
    pub number: i64,
    pub name: String,
    pub url: String,
    pub voice_id: Option<String>,
    pub is_favorite: bool,
    pub is_public: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Weighed for StoredAvatar {
    fn text_bytes(&self) -> usize {
        json_bytes(&self.name) + json_bytes(&self.url) + optional_json_bytes(self.voice_id.as_deref())
    }
}

/// Which avatars of an organization are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvatarScope {
    All,
    Public,
}

/// Changes to an avatar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AvatarChanges {
    pub name: Option<String>,
    pub url: Option<String>,
    pub voice_id: Patch<String>,
    pub is_favorite: Option<bool>,
    pub is_public: Option<bool>,
}

impl Avatars<'_> {
    /// Stores a new avatar under a number that no other avatar has. Storing the same number again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn create(&self, new: &StoredAvatar) -> Result<(), StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        self.insert(&mut transaction, new).await?;
        self.0.note_commit();
        transaction.commit().await?;
        Ok(())
    }

    async fn insert(&self, transaction: &mut PooledTransaction, new: &StoredAvatar) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO avatars (org_id, number, name, url, voice_id, is_favorite, is_public, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (org_id, number) DO NOTHING",
            self.0.org.0,
            new.number,
            new.name,
            new.url,
            new.voice_id.as_deref(),
            new.is_favorite,
            new.is_public,
            new.created_at,
            new.updated_at
        )
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// Returns whether there is an avatar with that number.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn exists(&self, number: i64) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let found = sqlx::query_scalar!(
            r#"SELECT 1 AS "one!" FROM avatars WHERE org_id = $1 AND number = $2"#,
            self.0.org.0,
            number
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(found.is_some())
    }

    /// Changes an avatar. Returns `true` if there is one with that number.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn update(&self, number: i64, changes: &AvatarChanges, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let updated = sqlx::query!(
            "UPDATE avatars
                SET name = COALESCE($3, name), url = COALESCE($4, url),
                    voice_id = CASE WHEN $5 THEN $6 ELSE voice_id END,
                    is_favorite = COALESCE($7, is_favorite), is_public = COALESCE($8, is_public), updated_at = $9
              WHERE org_id = $1 AND number = $2",
            self.0.org.0,
            number,
            changes.name.as_deref(),
            changes.url.as_deref(),
            !changes.voice_id.is_keep(),
            changes.voice_id.as_set().map(String::as_str),
            changes.is_favorite,
            changes.is_public,
            now
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.0.lookup_cache().changes.of(self.0.org).happened();
        Ok(updated.rows_affected() == 1)
    }

    /// Deletes an avatar with its image. Agents that use it lose their avatar. Returns `true` if there was one with
    /// that number.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete(&self, number: i64) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let deleted = sqlx::query!("DELETE FROM avatars WHERE org_id = $1 AND number = $2", self.0.org.0, number)
            .execute(&mut *transaction)
            .await?;
        self.delete_image(&mut transaction, number).await?;
        transaction.commit().await?;
        self.0.lookup_cache().changes.of(self.0.org).happened();
        Ok(deleted.rows_affected() == 1)
    }

    /// Returns the newest avatars before `before`, or only the public ones of them, newest first: at most `limit`, and
    /// at most [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn newest(
        &self,
        which: AvatarScope,
        before: Option<(Timestamp, i64)>,
        limit: i64,
    ) -> Result<Page<StoredAvatar>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let avatars = sqlx::query_as!(
            StoredAvatar,
            "SELECT number, name, url, voice_id, is_favorite, is_public, created_at, updated_at
               FROM avatars
              WHERE org_id = $1
                AND (created_at, number) < ($2, $3)
                AND (is_public OR NOT $5)
              ORDER BY created_at DESC, number DESC
              LIMIT $4",
            self.0.org.0,
            before.map_or(Timestamp::MAX_UTC, |(at, _)| at),
            before.map_or(i64::MAX, |(_, number)| number),
            limit,
            which == AvatarScope::Public
        );
        let page = bytes::page(avatars.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(page)
    }
}
