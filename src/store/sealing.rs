//! The data keys of organizations, and the secrets that they seal.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::domain::sealing::{self, DataKey, SealError, SealedDataKey, SealingKeys};
use crate::domain::{Mint, OrgId, Timestamp};

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Returns a secret of a row as it is stored: sealed with the organization's data key, or in clear if the deployment has
/// no keys.
///
/// # Errors
/// When the database cannot be reached, or the data key cannot be opened.
pub(super) async fn stored(
    connection: &mut PgConnection,
    keys: Option<&SealingKeys>,
    (org, row): (OrgId, Uuid),
    secret: &SecretString,
    now: Timestamp,
    mint: &Mint,
) -> Result<String, StoreError> {
    let Some(keys) = keys else { return Ok(secret.expose_secret().to_owned()) };
    Ok(data_key(connection, keys, org, now, mint).await?.seal(row, secret, mint))
}

/// Returns the organization's data key. The first call draws it; concurrent ones get the same.
///
/// # Errors
/// When the database cannot be reached, or the data key cannot be opened.
pub(super) async fn data_key(
    connection: &mut PgConnection,
    keys: &SealingKeys,
    org: OrgId,
    now: Timestamp,
    mint: &Mint,
) -> Result<DataKey, StoreError> {
    if let Some(sealed) = read(connection, &[org]).await?.remove(&org) {
        return Ok(keys.open(org, &sealed)?);
    }
    let (_, sealed) = keys.draw(org, mint);
    sqlx::query!(
        "INSERT INTO data_keys (org_id, sealed_under, sealed, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (org_id) DO NOTHING",
        org.0,
        sealed.sealed_under,
        sealed.sealed,
        now
    )
    .execute(&mut *connection)
    .await?;
    let sealed = read(connection, &[org]).await?.remove(&org).ok_or(SealError::NoDataKey)?;
    Ok(keys.open(org, &sealed)?)
}

/// Returns the sealed data keys of these organizations.
async fn read(connection: &mut PgConnection, orgs: &[OrgId]) -> Result<HashMap<OrgId, SealedDataKey>, sqlx::Error> {
    let orgs: Vec<Uuid> = orgs.iter().map(|org| org.0).collect();
    let rows = sqlx::query!("SELECT org_id, sealed_under, sealed FROM data_keys WHERE org_id = ANY ($1)", &orgs)
        .fetch_all(connection)
        .await?;
    let keys = rows
        .into_iter()
        .map(|row| (OrgId(row.org_id), SealedDataKey { sealed_under: row.sealed_under, sealed: row.sealed }));
    Ok(keys.collect())
}

/// Opens secrets of several organizations.
pub(super) struct Opener<'k> {
    keys: Option<&'k SealingKeys>,
    data_keys: HashMap<OrgId, Result<DataKey, SealError>>,
}

impl<'k> Opener<'k> {
    /// Reads the data keys of these organizations.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn of(
        connection: &mut PgConnection,
        keys: Option<&'k SealingKeys>,
        mut orgs: Vec<OrgId>,
    ) -> Result<Self, sqlx::Error> {
        let Some(opening) = keys else { return Ok(Self { keys, data_keys: HashMap::new() }) };
        orgs.sort_unstable();
        orgs.dedup();
        let sealed = if orgs.is_empty() { HashMap::new() } else { read(connection, &orgs).await? };
        let data_keys = sealed.into_iter().map(|(org, sealed)| (org, opening.open(org, &sealed))).collect();
        Ok(Self { keys, data_keys })
    }

    /// Returns a secret by its stored form, sealed or in clear.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, org: OrgId, row: Uuid, stored: String) -> Result<SecretString, SealError> {
        if !sealing::is_sealed(&stored) {
            return Ok(stored.into());
        }
        self.keys.ok_or(SealError::NoKeys)?;
        match self.data_keys.get(&org) {
            Some(Ok(key)) => key.open(row, &stored),
            Some(Err(error)) => Err(error.clone()),
            None => Err(SealError::NoDataKey),
        }
    }
}
