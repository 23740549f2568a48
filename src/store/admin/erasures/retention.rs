//! Retention: after how many days without a change sessions are erased, and legal holds.

use chrono::TimeDelta;
use uuid::Uuid;

use super::request::retention_id;
use super::{AdminError, AdminStore, ErasureStep};
use crate::domain::{Action, DialectName, ErasureScope, OrgId, Timestamp};
use crate::store::audit::{self, Entry};
use crate::store::scope;

/// How often a rule is applied.
const EVERY: TimeDelta = TimeDelta::days(1);

/// The retention of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionRule {
    pub dialect: DialectName,
    pub days: i32,
}

impl RetentionRule {
    /// Returns the time before which a session must have changed last to be erased at `now`.
    #[must_use]
    pub fn unused_since(&self, now: Timestamp) -> Timestamp {
        now.checked_sub_signed(TimeDelta::days(i64::from(self.days))).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// The retention of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Sessions of the other dialects are stored for ever.
    pub rules: Vec<RetentionRule>,
    /// Since when a legal hold forbids every erasure.
    pub held_since: Option<Timestamp>,
}

impl AdminStore {
    /// Returns the retention of an organization.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn retention(&self, org: OrgId) -> Result<RetentionSettings, AdminError> {
        let rules = sqlx::query!("SELECT dialect, days FROM retention_rules WHERE org_id = $1 ORDER BY dialect", org.0)
            .fetch_all(self.pool(org).reads())
            .await?;
        let rules = rules
            .into_iter()
            .filter_map(|row| Some(RetentionRule { dialect: DialectName::from_code(row.dialect)?, days: row.days }));
        let held_since = sqlx::query_scalar!("SELECT since FROM legal_holds WHERE org_id = $1", org.0)
            .fetch_optional(self.pool(org).reads())
            .await?;
        Ok(RetentionSettings { rules: rules.collect(), held_since })
    }

    /// Sets after how many days sessions of a dialect are erased, or that they never are.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn set_retention(
        &self,
        org: OrgId,
        dialect: DialectName,
        days: Option<i32>,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let before = sqlx::query_scalar!(
            "SELECT days FROM retention_rules WHERE org_id = $1 AND dialect = $2 FOR UPDATE",
            org.0,
            dialect.code()
        )
        .fetch_optional(&mut *transaction)
        .await?;
        match days {
            Some(days) => {
                sqlx::query!(
                    "INSERT INTO retention_rules (org_id, dialect, days, next_at) VALUES ($1, $2, $3, $4)
                         ON CONFLICT (org_id, dialect) DO UPDATE SET days = EXCLUDED.days, next_at = EXCLUDED.next_at",
                    org.0,
                    dialect.code(),
                    days,
                    now
                )
                .execute(&mut *transaction)
                .await?
            }
            None => {
                sqlx::query!("DELETE FROM retention_rules WHERE org_id = $1 AND dialect = $2", org.0, dialect.code())
                    .execute(&mut *transaction)
                    .await?
            }
        };
        if before != days {
            let entry = Entry::new(org, &self.actor, Action::RetentionSet, format!("retention/{}", dialect.as_str()))
                .before(&serde_json::json!({"days": before}))?
                .after(&serde_json::json!({"days": days}))?;
            audit::append_as_system(&mut transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Begins or ends a legal hold. What runs stops before its next step.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn set_legal_hold(&self, org: OrgId, since: Option<Timestamp>) -> Result<(), AdminError> {
        let mut transaction = scope::begin_system(&self.pool(org)).await?;
        let changed = match since {
            Some(since) => {
                sqlx::query!(
                    "INSERT INTO legal_holds (org_id, since) VALUES ($1, $2) ON CONFLICT (org_id) DO NOTHING",
                    org.0,
                    since
                )
                .execute(&mut *transaction)
                .await?
            }
            None => sqlx::query!("DELETE FROM legal_holds WHERE org_id = $1", org.0).execute(&mut *transaction).await?,
        };
        if changed.rows_affected() > 0 {
            let action = if since.is_some() { Action::LegalHoldBegin } else { Action::LegalHoldEnd };
            let entry = Entry::new(org, &self.actor, action, format!("organization/{org}"));
            audit::append_as_system(&mut transaction, entry).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Starts an erasure of old sessions for a rule that is due, unless the one before is still running. Returns
    /// `false` if no rule is due. Rules of organizations under a legal hold wait. Concurrent replicas take different
    /// rules.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn start_retention(&self, now: Timestamp) -> Result<bool, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let due = sqlx::query!(
            "SELECT org_id, dialect, days FROM retention_rules r
              WHERE next_at <= $1 AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.org_id = r.org_id)
              ORDER BY next_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED",
            now
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(due) = due else { return Ok(false) };
        let days = TimeDelta::days(i64::from(due.days));
        let unused_since = now.checked_sub_signed(days).unwrap_or(Timestamp::UNIX_EPOCH);
        let id: Uuid = retention_id(OrgId(due.org_id), due.dialect, now);
        sqlx::query!(
            "INSERT INTO erasures (org_id, erasure_id, scope, dialect, unused_since, requested_at, step, due_at)
             SELECT $1, $2, $3, $4, $5, $6, $7::text::json, $6
              WHERE NOT EXISTS (SELECT FROM erasures
                                 WHERE org_id = $1 AND due_at IS NOT NULL AND scope = $3 AND dialect = $4)
                 ON CONFLICT DO NOTHING",
            due.org_id,
            id,
            ErasureScope::Retention.code(),
            due.dialect,
            unused_since,
            now,
            serde_json::to_string(&ErasureStep::first(ErasureScope::Retention))?
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE retention_rules SET next_at = $3 WHERE org_id = $1 AND dialect = $2",
            due.org_id,
            due.dialect,
            now + EVERY
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(true)
    }
}
