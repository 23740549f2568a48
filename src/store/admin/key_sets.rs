//! The public keys of identity providers, as they were last fetched.

use super::{AdminError, AdminStore};
use crate::domain::Timestamp;

impl AdminStore {
    /// Returns the key set that was last stored for an issuer, if it came from the same source.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn key_set(&self, issuer: &str, source: &str) -> Result<Option<String>, AdminError> {
        let stored = sqlx::query_scalar!(
            "SELECT document FROM identity_key_sets WHERE issuer = $1 AND source = $2",
            issuer,
            source
        );
        Ok(stored.fetch_optional(self.home().reads()).await?)
    }

    /// Stores the key set of an issuer in the place of the one before.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn store_key_set(
        &self,
        issuer: &str,
        source: &str,
        document: &str,
        fetched_at: Timestamp,
    ) -> Result<(), AdminError> {
        sqlx::query!(
            "INSERT INTO identity_key_sets AS stored (issuer, source, document, fetched_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (issuer) DO UPDATE
                SET source = EXCLUDED.source, document = EXCLUDED.document, fetched_at = EXCLUDED.fetched_at
              WHERE stored.fetched_at <= EXCLUDED.fetched_at",
            issuer,
            source,
            document,
            fetched_at
        )
        .execute(self.home().reads())
        .await?;
        Ok(())
    }
}
