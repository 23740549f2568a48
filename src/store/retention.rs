//! Retention and the legal hold, as callers of the organization see and change them.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::admin::{self, RetentionRule, RetentionSettings};
use super::audit::{self, Entry};
use super::{StoreError, TenantStore, scope};
use crate::domain::{Action, DialectName, OrgId, Timestamp};

/// How many batches of sessions of a dialect a preview looks at, and for how long it begins another one.
const MAX_BATCHES: usize = 20;
const MAX_TIME: Duration = Duration::from_secs(5);

/// The retention of one organization.
pub struct Retention<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn retention(&self) -> Retention<'_> {
        Retention(self)
    }
}

/// What retention would erase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionCounts {
    /// Sessions by dialect.
    pub sessions: BTreeMap<&'static str, u64>,
    /// Their events, with those that are deleted already.
    pub events: u64,
    /// Whether all old sessions were looked at.
    pub is_complete: bool,
}

impl Retention<'_> {
    /// Returns the retention.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn settings(&self) -> Result<RetentionSettings, StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        let settings = read(&mut transaction, self.0.org).await?;
        transaction.commit().await?;
        Ok(settings)
    }

    /// Changes the retention by a rule, under a lock. Nothing is changed if the rule returns an error, which is the
    /// inner result.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn change<E: Send>(
        &self,
        now: Timestamp,
        rule: impl FnOnce(&mut RetentionSettings) -> Result<(), E> + Send,
    ) -> Result<Result<RetentionSettings, E>, StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        // Its row is locked because an organization without rules has no other one to lock.
        sqlx::query_scalar!("SELECT org_id FROM organizations WHERE org_id = $1 FOR NO KEY UPDATE", org.0)
            .fetch_one(&mut *transaction)
            .await?;
        let before = read(&mut transaction, org).await?;
        let mut after = before.clone();
        if let Err(error) = rule(&mut after) {
            return Ok(Err(error));
        }
        let mut entries = Vec::new();
        for dialect in DialectName::ALL {
            let days =
                |of: &RetentionSettings| of.rules.iter().find(|rule| rule.dialect == dialect).map(|rule| rule.days);
            let (old, new) = (days(&before), days(&after));
            if old == new {
                continue;
            }
            write(&mut transaction, org, dialect, new, now).await?;
            let target = format!("retention/{dialect}");
            let entry = Entry::new(org, self.0.actor(), Action::RetentionSet, target)
                .before(&serde_json::json!({"days": old}))?
                .after(&serde_json::json!({"days": new}))?;
            entries.push(entry);
        }
        if before.held_since.is_some() != after.held_since.is_some() {
            let action = hold(&mut transaction, org, after.held_since).await?;
            entries.push(Entry::new(org, self.0.actor(), action, format!("organization/{org}")));
        }
        audit::append(&mut transaction, &entries).await?;
        transaction.commit().await?;
        Ok(Ok(after))
    }

    /// Returns what these rules would erase at `now`. The numbers are lower bounds if there are very many old sessions.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, [`StoreError::OrgBusy`] when the organization's
    /// other scans have not ended.
    pub async fn preview(&self, rules: &[RetentionRule], now: Timestamp) -> Result<RetentionCounts, StoreError> {
        let mut counts = RetentionCounts { is_complete: true, ..RetentionCounts::default() };
        let until = Instant::now() + MAX_TIME;
        for rule in rules {
            let dialect = rule.dialect.code();
            let mut after = (Timestamp::UNIX_EPOCH, Uuid::nil());
            for batch in 0.. {
                if batch == MAX_BATCHES || Instant::now() > until {
                    counts.is_complete = false;
                    break;
                }
                let mut transaction = scope::begin_scan(self.0.scans(), self.0.org).await?;
                let seen =
                    admin::next_old(&mut transaction, self.0.org, dialect, rule.unused_since(now), after).await?;
                let Some(last) = seen.last() else {
                    transaction.commit().await?;
                    break;
                };
                after = (last.created_at, last.session_id);
                let keys: Vec<(i16, Uuid)> =
                    seen.iter().filter(|old| old.is_unused).map(|old| (dialect, old.session_id)).collect();
                if !keys.is_empty() {
                    counts.events += admin::events_of(&mut transaction, self.0.org, &keys).await?;
                    *counts.sessions.entry(rule.dialect.as_str()).or_default() += keys.len() as u64;
                }
                transaction.commit().await?;
            }
        }
        Ok(counts)
    }
}

async fn read(connection: &mut PgConnection, org: OrgId) -> Result<RetentionSettings, sqlx::Error> {
    let rules = sqlx::query!("SELECT dialect, days FROM retention_rules WHERE org_id = $1 ORDER BY dialect", org.0)
        .fetch_all(&mut *connection)
        .await?;
    let rules = rules
        .into_iter()
        .filter_map(|row| Some(RetentionRule { dialect: DialectName::from_code(row.dialect)?, days: row.days }))
        .collect();
    let held_since = sqlx::query_scalar!("SELECT since FROM legal_holds WHERE org_id = $1", org.0)
        .fetch_optional(connection)
        .await?;
    Ok(RetentionSettings { rules, held_since })
}

async fn write(
    connection: &mut PgConnection,
    org: OrgId,
    dialect: DialectName,
    days: Option<i32>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
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
            .execute(connection)
            .await?
        }
        None => {
            sqlx::query!("DELETE FROM retention_rules WHERE org_id = $1 AND dialect = $2", org.0, dialect.code())
                .execute(connection)
                .await?
        }
    };
    Ok(())
}

/// Begins or ends a legal hold, and returns what that is called.
async fn hold(connection: &mut PgConnection, org: OrgId, since: Option<Timestamp>) -> Result<Action, sqlx::Error> {
    match since {
        Some(since) => {
            sqlx::query!(
                "INSERT INTO legal_holds (org_id, since) VALUES ($1, $2) ON CONFLICT (org_id) DO NOTHING",
                org.0,
                since
            )
            .execute(connection)
            .await?;
            Ok(Action::LegalHoldBegin)
        }
        None => {
            sqlx::query!("DELETE FROM legal_holds WHERE org_id = $1", org.0).execute(connection).await?;
            Ok(Action::LegalHoldEnd)
        }
    }
}
