//! The dashboard's data of an organization: settings, charts, members and its name.

use uuid::Uuid;

use super::audit::{self, Entry, OrganizationView};
use super::bytes::{self, MAX_PAGE_BYTES, Page, Weighed};
use super::{StoreError, TenantStore, scope};
use crate::domain::{Action, JsonText, Timestamp};

#[derive(Clone, Debug)]
pub struct ChartRow {
    pub chart_id: Uuid,
    pub position: i64,
    pub settings: String,
    pub created_at: Timestamp,
}

impl Weighed for ChartRow {
    fn text_bytes(&self) -> usize {
        self.settings.len()
    }
}

/// A chart's position among the organization's.
pub type ChartCursor = (i64, Uuid);

#[derive(Clone, Debug)]
pub struct MemberRow {
    pub email: String,
    pub added_at: Timestamp,
}

/// Limit of charts and of members of one organization.
const MAX_ENTRIES: i64 = 1_000;

/// The dashboard of one organization.
pub struct Dashboard<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn dashboard(&self) -> Dashboard<'_> {
        Dashboard(self)
    }
}

impl Dashboard<'_> {
    /// Returns a setting, if it was ever set.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn setting(&self, name: &str) -> Result<Option<JsonText>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let value = sqlx::query_scalar!(
            r#"SELECT value::text AS "value!" FROM dashboard_settings WHERE org_id = $1 AND name = $2"#,
            self.0.org.0,
            name
        )
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(value.map(JsonText::stored).transpose()?)
    }

    /// Sets a setting.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn set(&self, name: &str, value: &JsonText) -> Result<(), StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        sqlx::query!(
            "INSERT INTO dashboard_settings (org_id, name, value) VALUES ($1, $2, $3::text::json)
                 ON CONFLICT (org_id, name) DO UPDATE SET value = EXCLUDED.value",
            self.0.org.0,
            name,
            value.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the charts after `after` in their order, at most [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn charts(&self, after: Option<ChartCursor>) -> Result<Page<ChartRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            ChartRow,
            r#"SELECT chart_id, position, settings::text AS "settings!", created_at
                 FROM dashboard_charts
                WHERE org_id = $1 AND ($3::bigint IS NULL OR (position, chart_id) > ($3, $4::uuid))
                ORDER BY position, chart_id LIMIT $2"#,
            self.0.org.0,
            MAX_ENTRIES,
            after.map(|(position, _)| position),
            after.map(|(_, id)| id)
        );
        let page = bytes::page(rows.fetch(&mut *transaction), MAX_PAGE_BYTES).await?;
        if !page.cut {
            transaction.commit().await?;
        }
        Ok(page)
    }

    /// Adds a chart after the others. Returns `false` when there are as many as there may be.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn add_chart(&self, id: Uuid, settings: &JsonText, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let added = sqlx::query!(
            "INSERT INTO dashboard_charts (org_id, chart_id, position, settings, created_at)
             SELECT $1, $2, COALESCE(max(position), 0) + 1, $3::text::json, $4
               FROM dashboard_charts WHERE org_id = $1 HAVING count(*) < $5
                 ON CONFLICT (org_id, chart_id) DO NOTHING",
            self.0.org.0,
            id,
            settings.as_str(),
            now,
            MAX_ENTRIES
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        Ok(added == 1)
    }

    /// Deletes a chart. Returns `true` if it existed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn delete_chart(&self, id: Uuid) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let deleted =
            sqlx::query!("DELETE FROM dashboard_charts WHERE org_id = $1 AND chart_id = $2", self.0.org.0, id)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        transaction.commit().await?;
        Ok(deleted == 1)
    }

    /// Moves these charts to the front, in this order. The others follow in their current order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn order_charts(&self, ids: &[Uuid]) -> Result<(), StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        sqlx::query!(
            "UPDATE dashboard_charts c SET position = placed.place
               FROM (SELECT chart_id, row_number() OVER (ORDER BY wanted.place NULLS LAST, position, created_at,
                                                         chart_id) AS place
                       FROM dashboard_charts
                       LEFT JOIN UNNEST($2::uuid[]) WITH ORDINALITY AS wanted (chart_id, place) USING (chart_id)
                      WHERE org_id = $1) placed
              WHERE c.org_id = $1 AND c.chart_id = placed.chart_id",
            self.0.org.0,
            ids
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the members in the order in which they were added.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn members(&self) -> Result<Vec<MemberRow>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let rows = sqlx::query_as!(
            MemberRow,
            "SELECT email, added_at FROM organization_members WHERE org_id = $1 ORDER BY added_at, email LIMIT $2",
            self.0.org.0,
            MAX_ENTRIES
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// Adds a member. Adding it again changes nothing. Returns `false` when there are as many as there may be.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn add_member(&self, email: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        sqlx::query!(
            "INSERT INTO organization_members (org_id, email, added_at)
             SELECT $1, $2, $3 FROM organization_members WHERE org_id = $1 HAVING count(*) < $4
                 ON CONFLICT (org_id, email) DO NOTHING",
            self.0.org.0,
            email,
            now,
            MAX_ENTRIES
        )
        .execute(&mut *transaction)
        .await?;
        let there = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM organization_members WHERE org_id = $1 AND email = $2) AS "there!""#,
            self.0.org.0,
            email
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(there)
    }

    /// Returns when the organization was created.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn founded_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let at = sqlx::query_scalar!("SELECT created_at FROM organizations WHERE org_id = $1", self.0.org.0)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(at)
    }

    /// Renames the organization. Other replicas see the name within a second.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn rename(&self, name: &str) -> Result<(), StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let before = sqlx::query_scalar!("SELECT name FROM organizations WHERE org_id = $1", self.0.org.0)
            .fetch_one(&mut *transaction)
            .await?;
        sqlx::query!("UPDATE organizations SET name = $2 WHERE org_id = $1", self.0.org.0, name)
            .execute(&mut *transaction)
            .await?;
        let target = format!("organization/{}", self.0.org);
        let entry = Entry::new(self.0.org, self.0.actor(), Action::OrganizationRename, target)
            .before(&OrganizationView::named(&before, None, ""))?
            .after(&OrganizationView::named(name, None, ""))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(())
    }
}
