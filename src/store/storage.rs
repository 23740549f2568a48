//! Counts the bytes that each organization has stored. Added bytes count, also those by which a change makes a session, a
//! contact or an agent longer; deletions do not.
//!
//! Bytes are counted in memory and added to the database once a second, so that counting needs no write per request and
//! no row that every writer locks. A quota is therefore a soft limit: an organization can exceed it by what it writes
//! within two seconds on each replica.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::{Inner, StoreError, StoreShard, scope};
use crate::domain::OrgId;

/// Organizations per statement.
const BATCH: usize = 500;

/// Counts stored bytes that are not yet added to the database. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct StorageMeter(Arc<Mutex<HashMap<OrgId, i64>>>);

impl StorageMeter {
    /// Counts bytes that an organization has stored.
    pub fn add(&self, org: OrgId, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.entry(org).or_default() += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    fn take(&self) -> Vec<(OrgId, i64)> {
        let mut counted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut counted: Vec<_> = counted.drain().collect();
        // Sorted because two replicas that add in different orders would deadlock.
        counted.sort_unstable_by_key(|(org, _)| *org);
        counted
    }

    fn give_back(&self, counts: &[(OrgId, i64)]) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (org, bytes) in counts {
            *counted.entry(*org).or_default() += bytes;
        }
    }
}

/// Adds the counted bytes to the database. What cannot be added is counted again.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached, or one shard of it.
pub(super) async fn flush(store: &Inner) -> Result<(), StoreError> {
    let mut result = Ok(());
    for (shard, counts) in store.shards.assign(store.reports.storage.take(), |(org, _)| *org) {
        for (index, batch) in counts.chunks(BATCH).enumerate() {
            if let Err(error) = add(&shard, batch).await {
                store.reports.storage.give_back(&counts[index * BATCH..]);
                result = Err(error);
                break;
            }
        }
    }
    result
}

async fn add(shard: &StoreShard, counts: &[(OrgId, i64)]) -> Result<(), StoreError> {
    let orgs: Vec<OrgId> = counts.iter().map(|(org, _)| *org).collect();
    let ids: Vec<Uuid> = orgs.iter().map(|org| org.0).collect();
    let bytes: Vec<i64> = counts.iter().map(|(_, bytes)| *bytes).collect();
    let mut transaction = scope::begin_lookup(&shard.pools.lookups, &orgs).await?;
    sqlx::query!(
        "INSERT INTO organization_storage AS s (org_id, stored_bytes)
         SELECT org_id, bytes FROM UNNEST($1::uuid[], $2::bigint[]) AS new (org_id, bytes) ORDER BY org_id
             ON CONFLICT (org_id) DO UPDATE SET stored_bytes = s.stored_bytes + EXCLUDED.stored_bytes",
        &ids,
        &bytes
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}
