//! Erasures of users, sessions, organizations and old sessions.
//!
//! A request is a row of `erasures`. A worker carries it out in steps, each of which is one transaction that also stores
//! the next step and what was deleted, so that it continues after a crash and counts nothing twice. There are two
//! passes: the second one, [`SETTLED_AFTER`] the request, finds what requests in progress added during the first.

mod events;
mod everything;
mod mentions;
mod preview;
mod request;
mod retention;
mod sessions;
mod users;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

pub use preview::Preview;
pub(in crate::store) use preview::events_of;
pub use request::{NewErasure, Receipt, Subject};
pub(in crate::store) use request::{ReceiptRow, receipt};
pub use retention::{RetentionRule, RetentionSettings};
pub(in crate::store) use sessions::next_old;

use super::{AdminError, AdminStore};
use crate::domain::{DialectName, ErasureId, ErasureScope, OrgId, Timestamp};
use crate::store::scope;

/// When the second pass begins: after every request and turn that was in progress has ended.
pub const SETTLED_AFTER: chrono::Duration = chrono::Duration::minutes(5);

/// How many rows of each table were deleted.
pub type Counts = BTreeMap<String, u64>;

/// What comes next, and its cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store) enum ErasureStep {
    /// Looks for sessions after this one, and deletes the rows of those that it finds.
    Sessions { dialect: i16, id: Uuid, created_at: Option<Timestamp> },
    /// Deletes the events of the sessions after this one.
    Events { dialect: i16, id: Uuid },
    /// Deletes the user's contact.
    Contacts,
    /// Clears the stored responses after this one.
    Responses { dialect: i16, target: Vec<u8>, key: String },
    /// Deletes the entries of the feed after this one.
    Feed { transaction: i64, place: i32 },
    /// Deletes the deliveries after this one.
    Deliveries { id: Uuid },
    /// Deletes all rows of a table.
    Table { index: u8 },
    /// Forgets which sessions were found.
    Forget,
}

impl ErasureStep {
    pub fn first(scope: ErasureScope) -> Self {
        match scope {
            ErasureScope::Organization => Self::Table { index: 0 },
            _ => Self::Sessions { dialect: i16::MIN, id: Uuid::nil(), created_at: None },
        }
    }
}

/// Returns the first step of an erasure as it is stored.
///
/// # Errors
/// Never: it can always be written.
pub(in crate::store) fn first_step(scope: ErasureScope) -> Result<String, serde_json::Error> {
    serde_json::to_string(&ErasureStep::first(scope))
}

/// An erasure that is not done.
struct RunningErasure {
    org: OrgId,
    id: ErasureId,
    scope: ErasureScope,
    subject: Option<String>,
    dialect: Option<i16>,
    unused_since: Option<Timestamp>,
    requested_at: Timestamp,
    is_second_pass: bool,
    counts: Counts,
}

/// The result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureProgress {
    pub org: OrgId,
    pub scope: ErasureScope,
    /// What the step deleted.
    pub deleted: Counts,
    pub is_done: bool,
}

impl AdminStore {
    /// Carries out the next step of an erasure that is due, of the next organization after `after` that has one.
    /// Returns `None` if there is none. Concurrent replicas take different erasures; those of organizations under a
    /// legal hold wait.
    ///
    /// # Errors
    /// When the database cannot be reached. The step is rolled back then.
    pub async fn erasure_step(&self, now: Timestamp, after: OrgId) -> Result<Option<ErasureProgress>, AdminError> {
        let mut transaction = scope::begin_system(&self.here()).await?;
        let due = sqlx::query!(
            r#"SELECT org_id, erasure_id, scope, subject, dialect, unused_since, requested_at, pass,
                      step::text AS "step!", counts::text AS "counts!"
                 FROM erasures e
                WHERE org_id > $2 AND due_at <= $1
                  AND NOT EXISTS (SELECT FROM legal_holds h WHERE h.org_id = e.org_id)
                ORDER BY org_id, due_at LIMIT 1 FOR UPDATE OF e SKIP LOCKED"#,
            now,
            after.0
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(due) = due else { return Ok(None) };
        let unreadable = |what: &str| AdminError::Store(crate::store::StoreError::Unreadable(what.to_owned()));
        let running = RunningErasure {
            org: OrgId(due.org_id),
            id: ErasureId(due.erasure_id),
            scope: ErasureScope::from_code(due.scope).ok_or_else(|| unreadable("scope"))?,
            subject: due.subject,
            dialect: due.dialect,
            unused_since: due.unused_since,
            requested_at: due.requested_at,
            is_second_pass: due.pass > 1,
            counts: serde_json::from_str(&due.counts)?,
        };
        let mut deleted = Counts::new();
        let next = running.carry_out(&mut transaction, now, serde_json::from_str(&due.step)?, &mut deleted).await?;
        let mut counts = running.counts.clone();
        for (table, rows) in &deleted {
            *counts.entry(table.clone()).or_default() += rows;
        }
        let progress = ErasureProgress { org: running.org, scope: running.scope, deleted, is_done: next.is_none() };
        match next {
            Some(next) => running.store(&mut transaction, &next, &counts).await?,
            None => running.finish(&mut transaction, &counts, now).await?,
        }
        transaction.commit().await?;
        Ok(Some(progress))
    }
}

/// Where an erasure continues.
struct NextStep {
    step: ErasureStep,
    is_second_pass: bool,
    due_at: Timestamp,
}

impl RunningErasure {
    /// Carries out one step. Returns what comes next, or `None` when the erasure is done.
    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        now: Timestamp,
        step: ErasureStep,
        deleted: &mut Counts,
    ) -> Result<Option<NextStep>, AdminError> {
        let step = match step {
            ErasureStep::Sessions { dialect, id, created_at } => {
                self.find_sessions(connection, now, (dialect, id, created_at), deleted).await?
            }
            ErasureStep::Events { dialect, id } => self.delete_events(connection, now, (dialect, id), deleted).await?,
            ErasureStep::Contacts => self.delete_contact(connection, deleted).await?,
            ErasureStep::Responses { dialect, target, key } => {
                self.clear_responses(connection, now, (dialect, &target, &key), deleted).await?
            }
            ErasureStep::Feed { transaction, place } => {
                self.delete_feed(connection, (transaction, place), deleted).await?
            }
            ErasureStep::Deliveries { id } => self.delete_deliveries(connection, id, deleted).await?,
            ErasureStep::Table { index } => self.delete_table(connection, index, deleted).await?,
            ErasureStep::Forget => {
                return Ok(self.forget(connection).await?.then_some(self.at(ErasureStep::Forget, now)));
            }
        };
        Ok(Some(match step {
            Some(step) => self.at(step, now),
            None if self.is_second_pass => self.at(ErasureStep::Forget, now),
            None => NextStep {
                step: ErasureStep::first(self.scope),
                is_second_pass: true,
                due_at: now.max(self.requested_at + SETTLED_AFTER),
            },
        }))
    }

    /// Continues with a step. It goes to the end of what is due now, so that erasures take turns.
    fn at(&self, step: ErasureStep, now: Timestamp) -> NextStep {
        NextStep { step, is_second_pass: self.is_second_pass, due_at: now }
    }

    async fn store(&self, connection: &mut PgConnection, next: &NextStep, counts: &Counts) -> Result<(), AdminError> {
        sqlx::query!(
            "UPDATE erasures SET pass = $3, step = $4::text::json, counts = $5::text::json, due_at = $6
              WHERE org_id = $1 AND erasure_id = $2",
            self.org.0,
            self.id.0,
            if next.is_second_pass { 2_i16 } else { 1 },
            serde_json::to_string(&next.step)?,
            serde_json::to_string(counts)?,
            next.due_at
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Turns the row into a receipt. Retention that has found nothing leaves none, because it is repeated every day.
    async fn finish(&self, connection: &mut PgConnection, counts: &Counts, now: Timestamp) -> Result<(), AdminError> {
        if self.scope == ErasureScope::Retention && counts.is_empty() {
            sqlx::query!("DELETE FROM erasures WHERE org_id = $1 AND erasure_id = $2", self.org.0, self.id.0)
                .execute(connection)
                .await?;
            return Ok(());
        }
        sqlx::query!(
            "UPDATE erasures SET subject = NULL, step = $3::text::json, counts = $4::text::json, due_at = NULL,
                                 done_at = $5
              WHERE org_id = $1 AND erasure_id = $2",
            self.org.0,
            self.id.0,
            serde_json::to_string(&ErasureStep::Forget)?,
            serde_json::to_string(counts)?,
            now
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Forgets a batch of the found sessions. Returns `true` if there may be more.
    async fn forget(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let found = self.found(connection).await?;
        let (dialects, ids): (Vec<i16>, Vec<Uuid>) = found.iter().copied().unzip();
        // By their keys, because the planner does not know how many sessions an erasure has found.
        sqlx::query!(
            "DELETE FROM erasure_sessions e
              USING UNNEST($3::smallint[], $4::uuid[]) AS gone (dialect, session_id)
              WHERE e.org_id = $1 AND e.erasure_id = $2 AND e.dialect = gone.dialect AND e.session_id = gone.session_id",
            self.org.0,
            self.id.0,
            &dialects,
            &ids
        )
        .execute(connection)
        .await?;
        Ok(!found.is_empty())
    }
}

/// Adds deleted rows to the count of a table.
fn count(deleted: &mut Counts, table: &str, rows: u64) {
    if rows > 0 {
        *deleted.entry(table.to_owned()).or_default() += rows;
    }
}

fn codes() -> Vec<i16> {
    DialectName::ALL.map(DialectName::code).to_vec()
}
