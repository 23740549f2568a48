//! What organizations use, by day: sessions created, events appended, requests, errors.
//!
//! It is counted in memory and added to the database once a second, as stored bytes are. A replica that is killed loses
//! what it counted since then.

mod meter;

use std::fmt;

use chrono::NaiveDate;
use uuid::Uuid;

use super::{Inner, StoreError, StoreShard, TenantStore, scope};
use crate::domain::{AgentId, ApiName, KeyId, OrgId, Timestamp};
use meter::Row;
pub use meter::{Amounts, UsageMeter, Used};

/// Days for which usage is stored, and that can be read at once.
pub const USAGE_DAYS: i64 = 400;
/// Groups of one answer.
pub const MAX_USAGE_GROUPS: i64 = 1_000;
/// Rows per statement.
const BATCH: usize = 500;

/// What usage is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageBy {
    Day,
    Dialect,
    Agent,
    Key,
}

/// The usage of one day, dialect, agent or key. The members of other groupings are `None`; so are the agent and the key
/// of what is counted without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageGroup {
    pub day: Option<NaiveDate>,
    pub dialect: Option<ApiName>,
    pub agent: Option<AgentId>,
    pub key: Option<KeyId>,
    pub amounts: Amounts,
}

/// A request that was counted.
#[derive(Clone)]
pub struct CountedRequest {
    meter: UsageMeter,
    used: Used,
}

impl CountedRequest {
    /// Counts that the response to the request is an error.
    pub fn failed(&self) {
        self.meter.add(&Used { amounts: Amounts::ERROR, ..self.used });
    }
}

impl fmt::Debug for CountedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountedRequest").field(&self.used).finish()
    }
}

impl TenantStore {
    /// Counts an authenticated request. Returns what counts its error, if it has one.
    #[must_use]
    pub fn requested(&self, dialect: ApiName, at: Timestamp) -> CountedRequest {
        let (agent, key) = (None, self.key());
        let used = Used { org: self.org, at, dialect, agent, key, amounts: Amounts::REQUEST };
        let meter = self.store.0.reports.usage.clone();
        meter.add(&used);
        CountedRequest { meter, used }
    }

    /// Returns the usage of the days from `first` to `last`, both included, at most the first [`USAGE_DAYS`] of them,
    /// and at most [`MAX_USAGE_GROUPS`] groups: days in their order, others with the most requests, sessions and events
    /// first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn usage_days(
        &self,
        first: NaiveDate,
        last: NaiveDate,
        by: UsageBy,
    ) -> Result<Vec<UsageGroup>, StoreError> {
        let longest = first.checked_add_days(chrono::Days::new(USAGE_DAYS.unsigned_abs() - 1));
        let last = longest.map_or(last, |longest| last.min(longest));
        let mut transaction = scope::begin_scan(self.scans(), self.org).await?;
        let rows = sqlx::query!(
            r#"SELECT CASE WHEN $4 THEN day END AS day, CASE WHEN $5 THEN dialect END AS dialect,
                      CASE WHEN $6 THEN agent_id END AS agent_id, CASE WHEN $7 THEN key_id END AS key_id,
                      sum(sessions)::bigint AS "sessions!", sum(events)::bigint AS "events!",
                      sum(requests)::bigint AS "requests!", sum(errors)::bigint AS "errors!"
                 FROM usage_days
                WHERE org_id = $1 AND day BETWEEN $2 AND $3
                GROUP BY 1, 2, 3, 4
                ORDER BY 1, sum(requests) + sum(sessions) + sum(events) DESC, 2, 3, 4
                LIMIT 1000"#,
            self.org.0,
            first,
            last,
            by == UsageBy::Day,
            by == UsageBy::Dialect,
            by == UsageBy::Agent,
            by == UsageBy::Key
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.into_iter()
            .map(|row| {
                Ok(UsageGroup {
                    day: row.day,
                    dialect: row.dialect.map(dialect_of).transpose()?,
                    agent: row.agent_id.filter(|id| !id.is_nil()).map(AgentId),
                    key: row.key_id.filter(|id| !id.is_nil()).map(KeyId),
                    amounts: Amounts {
                        sessions: row.sessions,
                        events: row.events,
                        requests: row.requests,
                        errors: row.errors,
                    },
                })
            })
            .collect()
    }
}

fn dialect_of(code: i16) -> Result<ApiName, StoreError> {
    ApiName::from_code(code).ok_or_else(|| StoreError::Unreadable(format!("no such dialect: {code}")))
}

/// Adds what was counted to the database. What cannot be added is counted again.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached, or one shard of it.
pub(super) async fn flush(store: &Inner) -> Result<(), StoreError> {
    let mut result = Ok(());
    for (shard, counted) in store.shards.assign(store.reports.usage.take(), |(row, _)| row.org) {
        for (index, batch) in counted.chunks(BATCH).enumerate() {
            if let Err(error) = add(&shard, batch).await {
                store.reports.usage.give_back(&counted[index * BATCH..]);
                result = Err(error);
                break;
            }
        }
    }
    result
}

async fn add(shard: &StoreShard, counted: &[(Row, Amounts)]) -> Result<(), StoreError> {
    let mut orgs: Vec<OrgId> = counted.iter().map(|(row, _)| row.org).collect();
    let ids: Vec<Uuid> = orgs.iter().map(|org| org.0).collect();
    orgs.dedup();
    let days: Vec<NaiveDate> = counted.iter().map(|(row, _)| row.day).collect();
    let dialects: Vec<i16> = counted.iter().map(|(row, _)| row.dialect).collect();
    let agents: Vec<Uuid> = counted.iter().map(|(row, _)| row.agent).collect();
    let keys: Vec<Uuid> = counted.iter().map(|(row, _)| row.key).collect();
    let sessions: Vec<i64> = counted.iter().map(|(_, amounts)| amounts.sessions).collect();
    let events: Vec<i64> = counted.iter().map(|(_, amounts)| amounts.events).collect();
    let requests: Vec<i64> = counted.iter().map(|(_, amounts)| amounts.requests).collect();
    let errors: Vec<i64> = counted.iter().map(|(_, amounts)| amounts.errors).collect();
    let mut transaction = scope::begin_lookup(&shard.pools.lookups, &orgs).await?;
    // In one order, because two replicas that add in different orders would deadlock.
    sqlx::query!(
        "INSERT INTO usage_days AS u (org_id, day, dialect, agent_id, key_id, sessions, events, requests, errors)
         SELECT org_id, day, dialect, agent_id, key_id, sessions, events, requests, errors
           FROM UNNEST($1::uuid[], $2::date[], $3::smallint[], $4::uuid[], $5::uuid[], $6::bigint[], $7::bigint[],
                       $8::bigint[], $9::bigint[])
             AS new (org_id, day, dialect, agent_id, key_id, sessions, events, requests, errors)
          ORDER BY org_id, day, dialect, agent_id, key_id
             ON CONFLICT (org_id, day, dialect, agent_id, key_id)
             DO UPDATE SET sessions = u.sessions + EXCLUDED.sessions, events = u.events + EXCLUDED.events,
                           requests = u.requests + EXCLUDED.requests, errors = u.errors + EXCLUDED.errors",
        &ids,
        &days,
        &dialects,
        &agents,
        &keys,
        &sessions,
        &events,
        &requests,
        &errors
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}
