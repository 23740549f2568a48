//! The images that avatars were uploaded with.

use super::{Avatars, StoredAvatar};
use crate::domain::ImageId;
use crate::store::scope::PooledTransaction;
use crate::store::{StoreError, scope};

/// Images that one organization can store: 5 GB of the largest. Concurrent uploads may exceed this.
const MAX_IMAGES: i64 = 1_000;

/// Bytes of an image that are read at once.
const SLICE: i32 = 64 * 1024;

/// A part of an image.
#[derive(Clone, Debug)]
pub struct ImageSlice {
    /// 64 KiB, or less at the end of the image.
    pub bytes: Vec<u8>,
    /// Bytes of the whole image.
    pub length: usize,
}

impl Avatars<'_> {
    /// Stores a new avatar with its image, of at most [`IMAGE_LIMIT`](crate::domain::IMAGE_LIMIT) bytes. Storing the
    /// same image again changes nothing. Returns `false` if the organization has as many images as it may have.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::StorageFull`] when the
    /// organization's storage quota is used up.
    pub async fn create_with_image(&self, new: &StoredAvatar, id: ImageId, bytes: &[u8]) -> Result<bool, StoreError> {
        self.0.has_room()?;
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let others = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM avatar_images WHERE org_id = $1 AND image_id <> $2"#,
            self.0.org.0,
            id.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        if others >= MAX_IMAGES {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO avatar_images (org_id, image_id, avatar_number, bytes, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (org_id, image_id) DO NOTHING",
            self.0.org.0,
            id.0,
            new.number,
            bytes,
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        self.insert(&mut transaction, new).await?;
        self.0.note_commit();
        transaction.commit().await?;
        self.0.stored(bytes.len());
        Ok(true)
    }

    /// Returns the slice of an image after its first `skipped` bytes. Postgres reads no more of the image than this.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn image_slice(&self, id: ImageId, skipped: usize) -> Result<Option<ImageSlice>, StoreError> {
        let mut transaction = scope::begin_in_turn(self.0.pool(), self.0.org).await?;
        let row = sqlx::query!(
            r#"SELECT length(bytes) AS "length!", substring(bytes FROM $3 + 1 FOR $4) AS "bytes!"
                 FROM avatar_images WHERE org_id = $1 AND image_id = $2"#,
            self.0.org.0,
            id.0,
            skipped as i32,
            SLICE
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(row.map(|row| ImageSlice { bytes: row.bytes, length: row.length as usize }))
    }

    pub(super) async fn delete_image(
        &self,
        transaction: &mut PooledTransaction,
        avatar: i64,
    ) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM avatar_images WHERE org_id = $1 AND avatar_number = $2", self.0.org.0, avatar)
            .execute(&mut **transaction)
            .await?;
        Ok(())
    }
}
