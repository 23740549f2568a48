//! What an organization decides about itself.

use super::audit::{self, Entry, OrganizationView};
use super::{StoreError, TenantStore, scope};
use crate::domain::{Action, JsonText, Responder, Timestamp};

/// The settings that callers of the organization may read; its name and responder are those that they may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSettings {
    /// 1 to 200 characters.
    pub name: String,
    pub external_id: Option<String>,
    /// What replies to messages if the agent has no responder of its own.
    pub responder: Responder,
    pub created_at: Timestamp,
}

struct SettingsRow {
    name: String,
    external_id: Option<String>,
    responder: String,
    created_at: Timestamp,
}

impl TryFrom<SettingsRow> for OwnSettings {
    type Error = StoreError;

    fn try_from(row: SettingsRow) -> Result<Self, Self::Error> {
        let SettingsRow { name, external_id, responder, created_at } = row;
        Ok(Self { name, external_id, responder: serde_json::from_str(&responder)?, created_at })
    }
}

/// The organization's own row.
pub struct OwnOrganization<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn own_organization(&self) -> OwnOrganization<'_> {
        OwnOrganization(self)
    }
}

impl OwnOrganization<'_> {
    /// Returns the settings.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn settings(&self) -> Result<OwnSettings, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let row = sqlx::query_as!(
            SettingsRow,
            r#"SELECT name, external_id, responder::text AS "responder!", created_at
                 FROM organizations WHERE org_id = $1"#,
            self.0.org.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        row.try_into()
    }

    /// Changes the name and the responder by a rule, under a lock. Nothing is changed if the rule returns an error,
    /// which is the inner result. Replicas apply the change within a second.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn change<E: Send>(
        &self,
        rule: impl FnOnce(&mut OwnSettings) -> Result<(), E> + Send,
    ) -> Result<Result<OwnSettings, E>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let row = sqlx::query_as!(
            SettingsRow,
            r#"SELECT name, external_id, responder::text AS "responder!", created_at
                 FROM organizations WHERE org_id = $1 FOR NO KEY UPDATE"#,
            org.0
        )
        .fetch_one(&mut *transaction)
        .await?;
        let before = OwnSettings::try_from(row)?;
        let mut after = before.clone();
        if let Err(error) = rule(&mut after) {
            return Ok(Err(error));
        }
        let (renames, replaces) = (after.name != before.name, after.responder != before.responder);
        let action = match (renames, replaces) {
            (false, false) => return Ok(Ok(before)),
            (true, false) => Action::OrganizationRename,
            (false, true) => Action::OrganizationResponder,
            (true, true) => Action::OrganizationSettings,
        };
        let responder = JsonText::of(&after.responder)?;
        sqlx::query!(
            "UPDATE organizations SET name = $2, responder = $3::text::json WHERE org_id = $1",
            org.0,
            after.name,
            responder.as_str()
        )
        .execute(&mut *transaction)
        .await?;
        let view = |settings| OrganizationView::own(settings, renames, replaces);
        let entry = Entry::new(org, self.0.actor(), action, format!("organization/{org}"))
            .before(&view(&before))?
            .after(&view(&after))?;
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(Ok(after))
    }
}
