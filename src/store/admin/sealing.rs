//! Seals the secrets that were stored before the deployment had keys, and moves data keys to the current key.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{AdminError, AdminStore};
use crate::domain::sealing::{SealError, SealedDataKey, SealingKeys};
use crate::domain::{Mint, OrgId, Timestamp};
use crate::store::{StoreError, scope, sealing};

/// Rows of one transaction.
const BATCH: i64 = 200;

/// Which secrets are sealed under which key.
#[derive(Debug)]
pub struct SealingStatus {
    /// How many data keys are sealed under each key of the deployment.
    pub data_keys: Vec<DataKeyCount>,
    /// Of webhooks, including those from before a rotation that deliveries are still signed with.
    pub sealed_secrets: i64,
    pub clear_secrets: i64,
}

#[derive(Debug)]
pub struct DataKeyCount {
    pub sealed_under: String,
    pub organizations: i64,
}

/// What a rotation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    pub data_keys: u64,
    pub secrets: u64,
}

impl AdminStore {
    /// Returns which secrets are sealed under which key.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn sealing_status(&self) -> Result<SealingStatus, AdminError> {
        let found = self.everywhere(|shard| async move { shard.sealing_in_shard().await }).await?;
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for count in found.iter().flat_map(|status| &status.data_keys) {
            *counts.entry(count.sealed_under.clone()).or_default() += count.organizations;
        }
        let data_keys = counts.into_iter();
        Ok(SealingStatus {
            data_keys: data_keys
                .map(|(sealed_under, organizations)| DataKeyCount { sealed_under, organizations })
                .collect(),
            sealed_secrets: found.iter().map(|status| status.sealed_secrets).sum(),
            clear_secrets: found.iter().map(|status| status.clear_secrets).sum(),
        })
    }

    async fn sealing_in_shard(&self) -> Result<SealingStatus, AdminError> {
        let data_keys = sqlx::query_as!(
            DataKeyCount,
            r#"SELECT sealed_under, count(*) AS "organizations!" FROM data_keys
                GROUP BY sealed_under ORDER BY sealed_under"#
        )
        .fetch_all(self.here().reads())
        .await?;
        let secrets = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE stored LIKE 'sealed:%') AS "sealed!",
                      count(*) FILTER (WHERE stored NOT LIKE 'sealed:%') AS "clear!"
                 FROM webhooks w CROSS JOIN LATERAL (VALUES (w.secret), (w.previous_secret)) AS secrets (stored)"#
        )
        .fetch_one(self.here().reads())
        .await?;
        Ok(SealingStatus { data_keys, sealed_secrets: secrets.sealed, clear_secrets: secrets.clear })
    }

    /// Checks that the deployment's keys open the data keys of this database: one for each key that they are sealed
    /// under.
    ///
    /// # Errors
    /// [`AdminError::Store`] with the reason, when they do not.
    pub async fn check_sealing(&self) -> Result<(), AdminError> {
        self.everywhere(|shard| async move { shard.check_sealing_in_shard().await }).await?;
        Ok(())
    }

    async fn check_sealing_in_shard(&self) -> Result<(), AdminError> {
        let rows = sqlx::query!(
            "SELECT DISTINCT ON (sealed_under) sealed_under, org_id, sealed FROM data_keys ORDER BY sealed_under, org_id"
        )
        .fetch_all(self.here().reads())
        .await?;
        for row in rows {
            let keys = self.sealing.as_ref().ok_or(SealError::NoKeys).map_err(StoreError::from)?;
            let sealed = SealedDataKey { sealed_under: row.sealed_under, sealed: row.sealed };
            keys.open(OrgId(row.org_id), &sealed).map_err(StoreError::from)?;
        }
        Ok(())
    }

    /// Seals every secret that is stored in clear, and data keys that are sealed under an older key under the current
    /// one. Any number of replicas can do this at once, and it can be interrupted at any time.
    ///
    /// # Errors
    /// When the database cannot be reached, or a data key cannot be opened.
    pub async fn reseal(&self, now: Timestamp, mint: &Mint) -> Result<Resealed, AdminError> {
        let keys = self.sealing.clone().ok_or(SealError::NoKeys).map_err(StoreError::from)?;
        let keys = &keys;
        let data_keys = self.everywhere(|shard| async move {
            let mut data_keys = 0;
            loop {
                let moved = shard.move_data_keys(keys, mint).await?;
                data_keys += moved;
                if moved == 0 {
                    return Ok(data_keys);
                }
            }
        });
        let data_keys = data_keys.await?.iter().sum();
        Ok(Resealed { data_keys, secrets: self.seal_secrets(now, mint).await? })
    }

    /// Seals every secret that is stored in clear. Returns how many there were.
    ///
    /// # Errors
    /// When the database cannot be reached, or a data key cannot be opened.
    pub async fn seal_secrets(&self, now: Timestamp, mint: &Mint) -> Result<u64, AdminError> {
        let keys = self.sealing.clone().ok_or(SealError::NoKeys).map_err(StoreError::from)?;
        let keys = &keys;
        let secrets = self.everywhere(|shard| async move {
            let mut secrets = 0;
            loop {
                let sealed = shard.seal_clear(keys, now, mint).await?;
                secrets += sealed;
                if sealed == 0 {
                    return Ok(secrets);
                }
            }
        });
        Ok(secrets.await?.iter().sum())
    }

    /// Seals a batch of data keys under the current key. Returns how many there were.
    async fn move_data_keys(&self, keys: &SealingKeys, mint: &Mint) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let rows = sqlx::query!(
            "SELECT org_id, sealed_under, sealed FROM data_keys WHERE sealed_under <> $1 ORDER BY org_id LIMIT $2
                FOR UPDATE",
            keys.current(),
            BATCH
        )
        .fetch_all(&mut *transaction)
        .await?;
        for row in &rows {
            let sealed = SealedDataKey { sealed_under: row.sealed_under.clone(), sealed: row.sealed.clone() };
            let opened = keys.open(OrgId(row.org_id), &sealed).map_err(StoreError::from)?;
            let new = keys.seal(&opened, mint);
            sqlx::query!(
                "UPDATE data_keys SET sealed_under = $2, sealed = $3 WHERE org_id = $1",
                row.org_id,
                new.sealed_under,
                new.sealed
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(rows.len() as u64)
    }

    /// Seals a batch of the secrets that are stored in clear. Returns how many there were.
    async fn seal_clear(&self, keys: &SealingKeys, now: Timestamp, mint: &Mint) -> Result<u64, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let rows = sqlx::query!(
            "SELECT org_id, webhook_id, secret, previous_secret FROM webhooks
              WHERE secret NOT LIKE 'sealed:%' OR previous_secret NOT LIKE 'sealed:%'
              ORDER BY org_id, webhook_id LIMIT $1
                FOR UPDATE",
            BATCH
        )
        .fetch_all(&mut *transaction)
        .await?;
        let count = rows.len() as u64;
        for row in rows {
            let data_key = sealing::data_key(&mut transaction, keys, OrgId(row.org_id), now, mint).await?;
            let sealed = |secret: String, row: Uuid| {
                if crate::domain::sealing::is_sealed(&secret) {
                    secret
                } else {
                    data_key.seal(row, &secret.into(), mint)
                }
            };
            let previous = row.previous_secret.map(|secret| sealed(secret, row.webhook_id));
            sqlx::query!(
                "UPDATE webhooks SET secret = $3, previous_secret = $4 WHERE org_id = $1 AND webhook_id = $2",
                row.org_id,
                row.webhook_id,
                sealed(row.secret, row.webhook_id),
                previous
            )
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(count)
    }
}
