use uuid::Uuid;

use super::{AdminError, AdminStore, taken};
use crate::domain::{JsonText, NewAgent, OrgId, Timestamp};
use crate::store::{Series, scope};

#[derive(Debug)]
pub struct AgentRow {
    pub agent_id: Uuid,
    pub key: String,
    pub number: i64,
    pub name: String,
}

pub struct NewAvatar<'a> {
    pub number: i64,
    pub name: &'a str,
    pub url: &'a str,
    pub voice_id: Option<&'a str>,
    pub created_at: Timestamp,
}

impl AdminStore {
    /// Makes an agent; gives back its number.
    ///
    /// # Errors
    /// [`AdminError::Taken`] when its id, key or number belongs to another agent of the organization.
    pub async fn create_agent(&self, org: OrgId, new: &NewAgent) -> Result<i64, AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        let series = Series::Agents.code();
        let number = match new.number {
            // A number given by hand must not be handed out again: the counter moves past it.
            Some(number) => {
                sqlx::query!(
                    "INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, $3::bigint + 1)
                         ON CONFLICT (org_id, series)
                         DO UPDATE SET next_number = GREATEST(number_blocks.next_number, $3::bigint + 1)",
                    org.0,
                    series,
                    number.get()
                )
                .execute(&mut *transaction)
                .await?;
                number.get()
            }
            None => {
                sqlx::query_scalar!(
                    r#"INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, 2)
                           ON CONFLICT (org_id, series) DO UPDATE SET next_number = number_blocks.next_number + 1
                       RETURNING next_number - 1 AS "number!""#,
                    org.0,
                    series
                )
                .fetch_one(&mut *transaction)
                .await?
            }
        };
        let responder = new.responder.as_ref().map(JsonText::of).transpose()?;
        sqlx::query!(
            "INSERT INTO agents (org_id, agent_id, key, number, name, description, enabled, language, avatar_number,
                                 responder, settings, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11::text::json, $12, $12)",
            org.0,
            new.id.0,
            new.key.as_str(),
            number,
            new.name,
            new.description,
            new.enabled,
            new.language,
            new.avatar_number,
            responder.as_ref().map(JsonText::as_str),
            new.settings.as_str(),
            new.created_at
        )
        .execute(&mut *transaction)
        .await
        .map_err(|error| {
            taken(
                error,
                &[("agents_pkey", "agent id"), ("agents_live_key", "agent key"), ("agents_number", "agent number")],
            )
        })?;
        transaction.commit().await?;
        Ok(number)
    }

    /// The living agents of an organization, by number.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn agents(&self, org: OrgId) -> Result<Vec<AgentRow>, AdminError> {
        Ok(sqlx::query_as!(
            AgentRow,
            "SELECT agent_id, key, number, name FROM agents
              WHERE org_id = $1 AND deleted_at IS NULL ORDER BY number",
            org.0
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Makes an avatar, or leaves the one of that number as it is.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn create_avatar(&self, org: OrgId, new: &NewAvatar<'_>) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool).await?;
        sqlx::query!(
            "INSERT INTO avatars (org_id, number, name, url, voice_id, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (org_id, number) DO NOTHING",
            org.0,
            new.number,
            new.name,
            new.url,
            new.voice_id,
            new.created_at
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "INSERT INTO number_blocks (org_id, series, next_number) VALUES ($1, $2, $3::bigint + 1)
                 ON CONFLICT (org_id, series) DO UPDATE SET next_number = GREATEST(number_blocks.next_number, $3::bigint + 1)",
            org.0,
            Series::Avatars.code(),
            new.number
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
