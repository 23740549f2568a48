use std::cmp::Reverse;
use std::num::NonZeroU64;

use uuid::Uuid;

use super::{AdminError, AdminStore, taken};
use crate::domain::{Action, JsonText, OrgId, RateLimits, Responder, Timestamp};
use crate::store::audit::{self, Entry, OrganizationView};
use crate::store::shards::ShardPool;
use crate::store::signals::{self, Signal};
use crate::store::{keyset, scope};

pub struct NewOrganization<'a> {
    pub id: OrgId,
    pub name: &'a str,
    pub external_id: Option<&'a str>,
    /// The identity provider that the external id comes from; empty for any that the deployment trusts.
    pub issuer: &'a str,
    pub responder: &'a Responder,
    pub created_at: Timestamp,
}

#[derive(Debug)]
pub struct OrganizationRow {
    pub org_id: Uuid,
    pub name: String,
    pub external_id: Option<String>,
    pub created_at: Timestamp,
    pub disabled_at: Option<Timestamp>,
}

/// What an operator decides about one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationSettings {
    /// What replies to messages if the agent has no responder of its own.
    pub responder: Responder,
    /// Whether a request with only `x-org-id` may capture events.
    pub capture_open: bool,
    /// The limits of each credential.
    pub rate_limits: RateLimits,
    /// The limits of all credentials together.
    pub total_rate_limits: RateLimits,
    /// Bytes that it may store; `None` uses the deployment's quota.
    pub storage_quota: Option<i64>,
    pub disabled_at: Option<Timestamp>,
}

impl OrganizationSettings {
    /// Returns what a change to `after` is called, and the members that it changes; `None` if it changes nothing.
    fn change_to(&self, after: &Self) -> Option<(Action, Vec<&'static str>)> {
        let disabling =
            if after.disabled_at.is_some() { Action::OrganizationDisable } else { Action::OrganizationEnable };
        let members = [
            ("responder", Action::OrganizationResponder, self.responder != after.responder),
            ("capture_open", Action::OrganizationLimits, self.capture_open != after.capture_open),
            ("limits", Action::OrganizationLimits, self.rate_limits != after.rate_limits),
            ("total_limits", Action::OrganizationLimits, self.total_rate_limits != after.total_rate_limits),
            ("quota_bytes", Action::OrganizationQuota, self.storage_quota != after.storage_quota),
            ("disabled_at", disabling, self.disabled_at != after.disabled_at),
        ];
        let differing = members.iter().filter(|(_, _, differs)| *differs);
        let changed: Vec<&'static str> = differing.clone().map(|(name, _, _)| *name).collect();
        let mut actions = differing.map(|(_, action, _)| *action);
        let first = actions.next()?;
        Some((if actions.all(|action| action == first) { first } else { Action::OrganizationSettings }, changed))
    }
}

/// An organization as an operator sees it.
#[derive(Debug)]
pub struct OrganizationDetails {
    pub id: OrgId,
    pub name: String,
    pub external_id: Option<String>,
    pub created_at: Timestamp,
    pub stored_bytes: i64,
    pub settings: OrganizationSettings,
}

impl AdminStore {
    /// # Errors
    /// [`AdminError::Taken`] when the issuer's external id belongs to another organization.
    pub async fn create_organization(&self, new: &NewOrganization<'_>) -> Result<(), AdminError> {
        let responder = JsonText::of(new.responder)?;
        let mut transaction = scope::begin_system(&self.pool(new.id)).await?;
        sqlx::query!(
            "INSERT INTO organizations (org_id, name, external_id, responder, created_at)
             VALUES ($1, $2, $3, $4::text::json, $5)",
            new.id.0,
            new.name,
            new.external_id,
            responder.as_str(),
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        if let Some(external_id) = new.external_id {
            sqlx::query!(
                "INSERT INTO organization_external_ids (issuer, external_id, org_id) VALUES ($1, $2, $3)",
                new.issuer,
                external_id,
                new.id.0
            )
            .execute(&mut *transaction)
            .await
            .map_err(|error| taken(error, &[("organization_external_ids_pkey", "external id")]))?;
        }
        let entry = Entry::new(new.id, &self.actor, Action::OrganizationCreate, format!("organization/{}", new.id))
            .after(&OrganizationView::named(new.name, new.external_id, new.issuer))?;
        audit::append_as_system(&mut transaction, entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns every organization, oldest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn organizations(&self) -> Result<Vec<OrganizationRow>, AdminError> {
        let found = self.everywhere(|shard| async move { shard.organizations_in_shard().await }).await?;
        let mut found: Vec<OrganizationRow> = found.into_iter().flatten().collect();
        found.sort_by_key(|row| (row.created_at, row.org_id));
        Ok(found)
    }

    async fn organizations_in_shard(&self) -> Result<Vec<OrganizationRow>, AdminError> {
        Ok(sqlx::query_as!(
            OrganizationRow,
            "SELECT org_id, name, external_id, created_at, disabled_at FROM organizations ORDER BY created_at, org_id"
        )
        .fetch_all(self.here().reads())
        .await?)
    }

    /// Returns at most `limit` organizations after the cursor, newest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn organizations_page(
        &self,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<OrganizationRow>, AdminError> {
        let found = self.everywhere(|shard| async move { shard.page_in_shard(after, limit).await }).await?;
        let mut found: Vec<OrganizationRow> = found.into_iter().flatten().collect();
        found.sort_by_key(|row| Reverse((row.created_at, row.org_id)));
        found.truncate(limit);
        Ok(found)
    }

    async fn page_in_shard(
        &self,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<OrganizationRow>, AdminError> {
        let (at, id) = keyset::or_latest(after);
        Ok(sqlx::query_as!(
            OrganizationRow,
            "SELECT org_id, name, external_id, created_at, disabled_at FROM organizations
              WHERE (created_at, org_id) < ($1, $2)
              ORDER BY created_at DESC, org_id DESC
              LIMIT $3",
            at,
            id,
            i64::try_from(limit).unwrap_or(i64::MAX)
        )
        .fetch_all(self.here().reads())
        .await?)
    }

    /// Returns the organization with this UUID, or else with this external id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is none.
    pub async fn organization(&self, name: &str) -> Result<OrganizationRow, AdminError> {
        if self.shards.are_many()
            && let Ok(id) = name.parse::<OrgId>()
            && let Some(found) = self.organization_in(&self.pool(id), name).await?
            && found.org_id == id.0
        {
            return Ok(found);
        }
        // Needs all shards, because the oldest of those with the same external id at different issuers is meant.
        let found = self.everywhere(|shard| async move { shard.organization_in(&shard.here(), name).await }).await?;
        found.into_iter().flatten().min_by_key(|row| row.created_at).ok_or(AdminError::NotFound("organization"))
    }

    async fn organization_in(&self, pool: &ShardPool, name: &str) -> Result<Option<OrganizationRow>, AdminError> {
        let id = name.parse::<OrgId>().ok().map(|id| id.0);
        Ok(sqlx::query_as!(
            OrganizationRow,
            "SELECT org_id, name, external_id, created_at, disabled_at FROM organizations
              WHERE org_id = $1 OR external_id = $2 ORDER BY (org_id = $1) DESC, created_at LIMIT 1",
            id,
            name
        )
        .fetch_optional(pool.reads())
        .await?)
    }

    /// Returns everything that is stored about an organization itself.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn organization_details(&self, org: OrgId) -> Result<OrganizationDetails, AdminError> {
        let row = sqlx::query!(
            r#"SELECT o.name, o.external_id, o.created_at, o.capture_open, o.responder::text AS "responder!",
                      o.rate_limits::text AS "rate_limits!", o.total_rate_limits::text AS "total_rate_limits!", o.storage_quota, o.disabled_at,
                      COALESCE(s.stored_bytes, 0) AS "stored_bytes!"
                 FROM organizations o LEFT JOIN organization_storage s USING (org_id) WHERE o.org_id = $1"#,
            org.0
        )
        .fetch_optional(self.pool(org).reads())
        .await?
        .ok_or(AdminError::NotFound("organization"))?;
        Ok(OrganizationDetails {
            id: org,
            name: row.name,
            external_id: row.external_id,
            created_at: row.created_at,
            stored_bytes: row.stored_bytes,
            settings: OrganizationSettings {
                responder: serde_json::from_str(&row.responder)?,
                capture_open: row.capture_open,
                rate_limits: serde_json::from_str(&row.rate_limits)?,
                total_rate_limits: serde_json::from_str(&row.total_rate_limits)?,
                storage_quota: row.storage_quota,
                disabled_at: row.disabled_at,
            },
        })
    }

    /// Changes an organization's settings by a rule, under a lock, so that concurrent changes are applied one after
    /// another. Returns the settings as they were before. Replicas apply the change within a second.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn change_organization(
        &self,
        org: OrgId,
        rule: impl FnOnce(&mut OrganizationSettings) + Send,
    ) -> Result<OrganizationSettings, AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let row = sqlx::query!(
            r#"SELECT capture_open, responder::text AS "responder!", rate_limits::text AS "rate_limits!",
                      total_rate_limits::text AS "total_rate_limits!", storage_quota, disabled_at
                 FROM organizations WHERE org_id = $1 FOR UPDATE"#,
            org.0
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(AdminError::NotFound("organization"))?;
        let before = OrganizationSettings {
            responder: serde_json::from_str(&row.responder)?,
            capture_open: row.capture_open,
            rate_limits: serde_json::from_str(&row.rate_limits)?,
            total_rate_limits: serde_json::from_str(&row.total_rate_limits)?,
            storage_quota: row.storage_quota,
            disabled_at: row.disabled_at,
        };
        let mut after = before.clone();
        rule(&mut after);
        let (responder, rate_limits) = (JsonText::of(&after.responder)?, JsonText::of(&after.rate_limits)?);
        let total_rate_limits = JsonText::of(&after.total_rate_limits)?;
        sqlx::query!(
            "UPDATE organizations
                SET capture_open = $2, responder = $3::text::json, rate_limits = $4::text::json, storage_quota = $5,
                    disabled_at = $6, total_rate_limits = $7::text::json
              WHERE org_id = $1",
            org.0,
            after.capture_open,
            responder.as_str(),
            rate_limits.as_str(),
            after.storage_quota,
            after.disabled_at,
            total_rate_limits.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        if after.disabled_at.is_some() && before.disabled_at.is_none() {
            // Its turns end.
            signals::send(&mut transaction, &[Signal::Organization(org)]).await?;
        }
        if let Some((action, changed)) = before.change_to(&after) {
            let entry = Entry::new(org, &self.actor, action, format!("organization/{org}"))
                .before(&OrganizationView::of(&before, Vec::new()))?
                .after(&OrganizationView::of(&after, changed))?;
            audit::append_as_system(&mut transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(before)
    }

    /// Rejects every credential of the organization from `now` on. Its stored data is not deleted.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn disable_organization(&self, org: OrgId, now: Timestamp) -> Result<(), AdminError> {
        self.change_organization(org, |settings| settings.disabled_at = settings.disabled_at.or(Some(now))).await?;
        Ok(())
    }

    /// Sets whether a request with only `x-org-id` may capture events, and all of the organization's own rate limits.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn set_limits(&self, org: OrgId, capture_open: bool, limits: RateLimits) -> Result<(), AdminError> {
        let rule = |settings: &mut OrganizationSettings| {
            settings.capture_open = capture_open;
            settings.rate_limits = limits;
        };
        self.change_organization(org, rule).await?;
        Ok(())
    }

    /// Sets how many bytes the organization may store; `None` uses the deployment's quota.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn set_storage_quota(&self, org: OrgId, quota: Option<NonZeroU64>) -> Result<(), AdminError> {
        self.change_organization(org, |settings| settings.storage_quota = quota.map(as_bytes)).await?;
        Ok(())
    }

    /// Returns at most `limit` different responders of enabled organizations and of agents that are not deleted.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn responders(&self, limit: i64) -> Result<Vec<Responder>, AdminError> {
        let found = self.everywhere(|shard| async move { shard.responders_in_shard(limit).await }).await?;
        let mut texts = found.concat();
        texts.sort_unstable();
        texts.dedup();
        texts.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?)
    }

    async fn responders_in_shard(&self, limit: i64) -> Result<Vec<String>, AdminError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT DISTINCT responder::text AS "responder!"
                 FROM (SELECT responder FROM organizations WHERE disabled_at IS NULL
                       UNION ALL
                       SELECT responder FROM agents WHERE deleted_at IS NULL AND responder IS NOT NULL) AS used
                LIMIT $1"#,
            limit
        )
        .fetch_all(self.here().reads())
        .await?)
    }

    /// Sets what replies to messages if an agent has no responder of its own.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn set_responder(&self, org: OrgId, responder: &Responder) -> Result<(), AdminError> {
        self.change_organization(org, |settings| settings.responder = responder.clone()).await?;
        Ok(())
    }
}

/// Converts a number of bytes to its stored form, which is at most 2^63 - 1.
#[must_use]
pub fn as_bytes(quota: NonZeroU64) -> i64 {
    i64::try_from(quota.get()).unwrap_or(i64::MAX)
}
