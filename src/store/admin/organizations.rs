use std::num::NonZeroU64;

use uuid::Uuid;

use super::{AdminError, AdminStore, taken};
use crate::domain::{JsonText, OrgId, RateLimits, Responder, Timestamp};
use crate::store::scope;
use crate::store::signals::{self, Signal};

pub struct NewOrganization<'a> {
    pub id: OrgId,
    pub name: &'a str,
    pub external_id: Option<&'a str>,
    /// The identity provider whose external id it is; empty for whichever the deployment trusts.
    pub issuer: &'a str,
    pub responder: &'a Responder,
    pub created_at: Timestamp,
}

#[derive(Debug)]
pub struct OrganizationRow {
    pub org_id: Uuid,
    pub name: String,
    pub external_id: Option<String>,
    pub disabled_at: Option<Timestamp>,
}

/// What an organization stores, in bytes, and how much it may.
#[derive(Clone, Copy, Debug)]
pub struct StorageRow {
    pub stored_bytes: i64,
    /// `None`: as much as the deployment allows.
    pub storage_quota: Option<i64>,
}

impl AdminStore {
    /// # Errors
    /// [`AdminError::Taken`] when the issuer's external id belongs to another organization.
    pub async fn create_organization(&self, new: &NewOrganization<'_>) -> Result<(), AdminError> {
        let responder = JsonText::of(new.responder)?;
        let mut transaction = scope::begin_system(&self.pool).await?;
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
        transaction.commit().await?;
        Ok(())
    }

    /// Every organization, oldest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn organizations(&self) -> Result<Vec<OrganizationRow>, AdminError> {
        Ok(sqlx::query_as!(
            OrganizationRow,
            "SELECT org_id, name, external_id, disabled_at FROM organizations ORDER BY created_at, org_id"
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the organization of that UUID, else of that external id.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is none.
    pub async fn organization(&self, name: &str) -> Result<OrganizationRow, AdminError> {
        let id = name.parse::<OrgId>().ok().map(|id| id.0);
        sqlx::query_as!(
            OrganizationRow,
            "SELECT org_id, name, external_id, disabled_at FROM organizations
              WHERE org_id = $1 OR external_id = $2 ORDER BY (org_id = $1) DESC, created_at LIMIT 1",
            id,
            name
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(AdminError::NotFound("organization"))
    }

    /// Disables the organization: every credential of it is rejected from now on, and every turn of it ends. What it
    /// stored stays.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is none.
    pub async fn disable_organization(&self, org: OrgId, now: Timestamp) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let changed = sqlx::query!(
            "UPDATE organizations SET disabled_at = COALESCE(disabled_at, $2) WHERE org_id = $1",
            org.0,
            now
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        signals::send(&mut transaction, &[Signal::Organization(org)]).await?;
        transaction.commit().await?;
        if changed == 0 { Err(AdminError::NotFound("organization")) } else { Ok(()) }
    }

    /// Sets whether `x-org-id` alone may capture, and the organization's own rate limits.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is none.
    pub async fn set_limits(&self, org: OrgId, capture_open: bool, limits: RateLimits) -> Result<(), AdminError> {
        let limits = JsonText::of(&limits)?;
        let changed = sqlx::query!(
            "UPDATE organizations SET capture_open = $2, rate_limits = $3::text::json WHERE org_id = $1",
            org.0,
            capture_open,
            limits.as_str()
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        if changed == 0 { Err(AdminError::NotFound("organization")) } else { Ok(()) }
    }

    /// Returns how many bytes the organization has stored, and its own quota if it has one.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn storage(&self, org: OrgId) -> Result<StorageRow, AdminError> {
        sqlx::query_as!(
            StorageRow,
            r#"SELECT COALESCE(s.stored_bytes, 0) AS "stored_bytes!", o.storage_quota
                 FROM organizations o LEFT JOIN organization_storage s USING (org_id) WHERE o.org_id = $1"#,
            org.0
        )
        .fetch_optional(&self.pool)
        .await?
        .ok_or(AdminError::NotFound("organization"))
    }

    /// Sets how many bytes the organization may store; `None` for the deployment's quota.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn set_storage_quota(&self, org: OrgId, quota: Option<NonZeroU64>) -> Result<(), AdminError> {
        let quota = quota.map(|quota| i64::try_from(quota.get()).unwrap_or(i64::MAX));
        let changed = sqlx::query!("UPDATE organizations SET storage_quota = $2 WHERE org_id = $1", org.0, quota)
            .execute(&self.pool)
            .await?
            .rows_affected();
        if changed == 0 { Err(AdminError::NotFound("organization")) } else { Ok(()) }
    }

    /// Sets what answers messages where an agent names nothing of its own.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when there is no such organization.
    pub async fn set_responder(&self, org: OrgId, responder: &Responder) -> Result<(), AdminError> {
        let responder = JsonText::of(responder)?;
        let changed = sqlx::query!(
            "UPDATE organizations SET responder = $2::text::json WHERE org_id = $1",
            org.0,
            responder.as_str()
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        if changed == 0 { Err(AdminError::NotFound("organization")) } else { Ok(()) }
    }
}
