//! Look-ups before the organization is known: the organization of a key, an access token or an external id.

use std::net::IpAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use uuid::Uuid;

use super::key_uses::{KeyUse, KeyUses};
use super::shards::{Shard, Shards};
use super::{Store, StoreError, StoreShard, scope};
use crate::domain::{AllowedAddresses, KeyHash, KeyId, OrgId, Organization, Scopes, Timestamp};

/// A key as it was issued. Revoked keys are not found.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    pub org: OrgId,
    pub id: KeyId,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
    /// The networks from which it may be used; `None` for everywhere.
    pub allowed_addresses: Option<AllowedAddresses>,
    uses: Arc<KeyUse>,
}

impl KeyRecord {
    /// Returns whether a client at this address may use the key.
    #[must_use]
    pub fn permits(&self, address: Option<IpAddr>) -> bool {
        self.allowed_addresses.as_ref().is_none_or(|allowed| allowed.permits(address))
    }

    /// Records that the key was used.
    pub fn was_used(&self, now: Timestamp) {
        self.uses.at(now);
    }
}

/// The result of the look-ups of keys and of access tokens.
#[derive(sqlx::FromRow)]
struct KeyRow {
    org_id: Uuid,
    key_id: Uuid,
    scopes: Vec<String>,
    expires_at: Option<Timestamp>,
    allowed_addresses: Option<Vec<String>>,
}

impl KeyRow {
    fn read(self, uses: &KeyUses) -> Result<KeyRecord, StoreError> {
        let (org, id) = (OrgId(self.org_id), KeyId(self.key_id));
        Ok(KeyRecord {
            org,
            id,
            scopes: read_scopes(&self.scopes)?,
            expires_at: self.expires_at,
            allowed_addresses: read_addresses(self.allowed_addresses)?,
            uses: uses.of(org, id),
        })
    }
}

pub struct Directory<'s>(pub(super) &'s Store);

/// Looks a key up by the hash of what was sent: of the key itself, or of an access token. `$function` finds it in the one
/// database, and `$on_node` in the shards of one node of a distributed one.
macro_rules! find_key {
    ($store:expr, $cache:ident, $hash:ident, $function:literal, $on_node:literal) => {{
        let read = || async move {
            let shards = &$store.0.shards;
            let row = if shards.are_many() {
                find_on_all_nodes(shards, $on_node, $hash).await?
            } else {
                sqlx::query_as!(
                    KeyRow,
                    r#"SELECT org_id AS "org_id!", key_id AS "key_id!", scopes AS "scopes!", expires_at,
                              allowed_addresses
                         FROM "#
                        + $function,
                    $hash.as_bytes()
                )
                .fetch_optional(shards.any().pools.lookups.reads())
                .await?
            };
            row.map(|row| row.read(&$store.0.key_uses)).transpose()
        };
        $store.lookup_cache().$cache.find(($hash, $store.lookup_cache().key_changes.get()), read).await
    }};
}

/// Asks all nodes for a key. If none has it, asks again if a shard has moved meanwhile or since the placement was read.
async fn find_on_all_nodes(
    shards: &Shards<StoreShard>,
    statement: &'static str,
    hash: KeyHash,
) -> Result<Option<KeyRow>, StoreError> {
    let before = shards.placement();
    let found = find_on_nodes(&shards.of_each_node(), statement, hash).await?;
    if found.is_some() {
        return Ok(found);
    }
    shards.refreshed().await;
    if shards.placement() == before {
        return Ok(None);
    }
    find_on_nodes(&shards.of_each_node(), statement, hash).await
}

/// Asks all nodes for a key, and returns the first that is found.
///
/// # Errors
/// When no node has found it and one did not respond, because it may have it.
async fn find_on_nodes(
    nodes: &[Shard<StoreShard>],
    statement: &'static str,
    hash: KeyHash,
) -> Result<Option<KeyRow>, StoreError> {
    let look_ups = nodes.iter().map(|shard| {
        // Without a macro, because the function is not in the database that statements are checked with.
        sqlx::query_as::<_, KeyRow>(statement)
            .bind(hash.as_bytes().to_vec())
            .fetch_optional(shard.part.pools.lookups.reads())
    });
    let mut look_ups: FuturesUnordered<_> = look_ups.collect();
    let mut result = Ok(None);
    while let Some(found) = look_ups.next().await {
        match found {
            Ok(Some(row)) => return Ok(Some(row)),
            Ok(None) => {}
            Err(error) => result = Err(error.into()),
        }
    }
    result
}

/// Looks an organization up by its external id at an issuer. Every node of a distributed database has all of them.
macro_rules! find_organization {
    ($store:expr, $cache:ident, $issuer:ident, $external_id:ident, $function:literal) => {{
        // A token may contain U+0000, which Postgres cannot store in a text, so that no organization has such a name.
        if $issuer.contains('\0') || $external_id.contains('\0') {
            return Ok(None);
        }
        let read = || async move {
            let mut found = Err(StoreError::Unavailable);
            for shard in $store.0.shards.of_each_node() {
                let organization =
                    sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM "# + $function, $issuer, $external_id)
                        .fetch_optional(shard.part.pools.lookups.reads())
                        .await;
                found = organization.map(|found| found.map(OrgId)).map_err(StoreError::from);
                if !matches!(found, Err(StoreError::Unavailable)) {
                    break;
                }
            }
            found
        };
        let found = $store.lookup_cache().$cache.find(($issuer.to_owned(), $external_id.to_owned()), read).await?;
        Ok(found.map(|org| *org))
    }};
}

impl Directory<'_> {
    /// Returns the key with this hash, if it is not revoked.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn key(&self, hash: KeyHash) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        find_key!(self.0, keys, hash, "look_up_api_key($1)", "SELECT * FROM public.find_key_on_node($1)")
    }

    /// Returns the record of an access token's key, with the token's own end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn access_token(&self, hash: KeyHash) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        find_key!(self.0, tokens, hash, "look_up_access_token($1)", "SELECT * FROM public.find_token_on_node($1)")
    }

    /// Stores an access token of an organization's key, valid from `now` until `ends`, and deletes the key's expired tokens.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn keep_access_token(
        &self,
        org: OrgId,
        (token, key): (KeyHash, KeyHash),
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<(), StoreError> {
        let shard = self.0.0.shards.of(org);
        let mut transaction = scope::begin_lookup(&shard.pools.lookups, &[org]).await?;
        sqlx::query!("SELECT keep_access_token($1, $2, $3, $4)", token.as_bytes(), key.as_bytes(), now, ends)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns whether the organization is cached.
    #[must_use]
    pub fn remembers(&self, id: OrgId) -> bool {
        self.0.lookup_cache().organizations.has(&id)
    }

    /// Returns the organization, disabled or not.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn organization(&self, id: OrgId) -> Result<Option<Arc<Organization>>, StoreError> {
        let read = || async move {
            let shard = self.0.0.shards.of(id);
            let mut transaction = scope::begin_lookup(&shard.pools.lookups, &[id]).await?;
            let row = sqlx::query!(
                r#"SELECT name, external_id, capture_open, responder::text AS "responder!",
                          rate_limits::text AS "rate_limits!", total_rate_limits::text AS "total_rate_limits!", disabled_at, storage_quota,
                          (SELECT stored_bytes FROM organization_storage s WHERE s.org_id = $1) AS stored_bytes
                     FROM organizations WHERE org_id = $1"#,
                id.0
            )
            .fetch_optional(&mut *transaction)
            .await?;
            transaction.commit().await?;
            row.map(|row| {
                Ok(Organization {
                    id,
                    name: row.name,
                    external_id: row.external_id,
                    capture_open: row.capture_open,
                    responder: serde_json::from_str(&row.responder)?,
                    rate_limits: serde_json::from_str(&row.rate_limits)?,
                    total_rate_limits: serde_json::from_str(&row.total_rate_limits)?,
                    disabled_at: row.disabled_at,
                    stored_bytes: row.stored_bytes.unwrap_or_default().max(0).cast_unsigned(),
                    storage_quota: row.storage_quota.map(i64::cast_unsigned),
                })
            })
            .transpose()
        };
        self.0.lookup_cache().organizations.find(id, read).await
    }

    /// Returns the organization unless it is disabled.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn active_organization(&self, id: OrgId) -> Result<Option<Arc<Organization>>, StoreError> {
        Ok(self.organization(id).await?.filter(|organization| organization.disabled_at.is_none()))
    }

    /// Returns the organization whose external id is registered for this issuer, or else for every issuer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn external_id(&self, issuer: &str, external_id: &str) -> Result<Option<OrgId>, StoreError> {
        find_organization!(self.0, external_ids, issuer, external_id, "find_organization($1, $2)")
    }

    /// Returns the organization whose external id is registered for this issuer, and not for every issuer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn own_external_id(&self, issuer: &str, external_id: &str) -> Result<Option<OrgId>, StoreError> {
        find_organization!(self.0, own_external_ids, issuer, external_id, "find_organization_of_issuer($1, $2)")
    }
}

/// The stored scope of a key without permissions, because an empty list means every scope.
const NOTHING: &str = "none";

/// Reads the scopes of a stored key. An empty list means all of them.
pub(super) fn read_scopes(names: &[String]) -> Result<Scopes, StoreError> {
    if names.is_empty() {
        return Ok(Scopes::EVERY);
    }
    let scopes = names.iter().filter(|name| *name != NOTHING);
    scopes
        .map(|name| Scopes::called(name).ok_or_else(|| StoreError::Unreadable(format!("no such scope: {name}"))))
        .collect()
}

/// Reads the networks of a stored key.
pub(super) fn read_addresses(texts: Option<Vec<String>>) -> Result<Option<AllowedAddresses>, StoreError> {
    let read = texts.map(|texts| AllowedAddresses::parse(&texts)).transpose();
    read.map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// Returns the stored form of scopes. A key with every scope has an empty list, so that scopes that are added later are
/// included.
pub(super) fn write_scopes(scopes: Scopes) -> Vec<String> {
    match scopes {
        Scopes::EVERY => Vec::new(),
        Scopes::NONE => vec![NOTHING.to_owned()],
        _ => scopes.names(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Scope;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn scopes_are_read_as_they_were_written(some in prop::sample::subsequence(Scope::ALL.to_vec(), 0..=8)) {
            let scopes: Scopes = some.into_iter().collect();
            prop_assert_eq!(read_scopes(&write_scopes(scopes)).unwrap(), scopes);
        }
    }

    #[test]
    fn only_a_key_that_names_no_scope_is_good_for_everything() {
        assert!(write_scopes(Scopes::EVERY).is_empty());
        assert!(!write_scopes(Scopes::NONE).is_empty());
    }
}
