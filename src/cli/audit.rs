//! `audit list`, `audit verify`.

use std::process::ExitCode;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::Subcommand;
use serde::Serialize;

use super::home::administer;
use super::output::Table;
use super::{Context, Failure, org};
use crate::domain::{Action, JsonText, OrgId, Timestamp};
use crate::store::AuditRow;
use crate::store::admin::AdminStore;
use crate::store::{Fault, Head, Verified};

#[derive(Subcommand)]
pub(super) enum Audit {
    /// List what was done to an organization, newest first
    List {
        /// Its UUID or external id
        org: String,
        /// Only what was done at this time or later: a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z
        #[arg(long, value_parser = moment)]
        since: Option<Timestamp>,
        /// Only this action, such as api_key.create
        #[arg(long)]
        action: Option<Action>,
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=100_000))]
        limit: i64,
    },
    /// Check that no entry is missing or changed, of one organization or of all; exits with 1 when one is
    Verify {
        /// Its UUID or external id
        org: Option<String>,
    },
}

/// Entries that are read at once.
const PAGE: i64 = 1_000;

#[derive(Serialize)]
struct Shown {
    number: i64,
    at: Timestamp,
    actor_kind: String,
    actor: Option<String>,
    issuer: Option<String>,
    address: Option<String>,
    request_id: Option<String>,
    action: String,
    target: String,
    before: Option<JsonText>,
    after: Option<JsonText>,
    hash: String,
}

impl TryFrom<AuditRow> for Shown {
    type Error = serde_json::Error;

    fn try_from(row: AuditRow) -> Result<Self, Self::Error> {
        Ok(Self {
            number: row.number,
            at: row.at,
            actor_kind: row.actor_kind,
            actor: row.actor,
            issuer: row.issuer,
            address: row.address,
            request_id: row.request_id,
            action: row.action,
            target: row.target,
            before: row.before.map(JsonText::stored).transpose()?,
            after: row.after.map(JsonText::stored).transpose()?,
            hash: row.hash,
        })
    }
}

const TABLE: Table<'_> = Table { name: "entries", heads: &["number", "time", "actor", "address", "action", "target"] };

impl Shown {
    fn cells(&self) -> Vec<String> {
        let actor = match &self.actor {
            Some(name) => format!("{} {name}", self.actor_kind),
            None => self.actor_kind.clone(),
        };
        let address = self.address.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.number.to_string(), self.at.to_rfc3339(), actor, address, self.action.clone(), self.target.clone()]
    }
}

#[derive(Serialize)]
struct Checked {
    org_id: OrgId,
    entries: i64,
    /// The newest entry.
    head: Option<Head>,
    faults: Vec<Fault>,
}

const CHECKED: Table<'_> = Table { name: "logs", heads: &["organization", "entries", "newest hash", "result"] };

impl From<Verified> for Checked {
    fn from(verified: Verified) -> Self {
        let Verified { org, entries, head, faults } = verified;
        Self { org_id: org, entries, head, faults }
    }
}

impl Checked {
    fn cells(&self) -> Vec<String> {
        let hash = self.head.as_ref().map_or_else(|| "-".to_owned(), |head| head.hash.clone());
        let faults: Vec<String> = self.faults.iter().map(Fault::to_string).collect();
        let result = if faults.is_empty() { "complete".to_owned() } else { faults.join("; ") };
        vec![self.org_id.to_string(), self.entries.to_string(), hash, result]
    }
}

impl Audit {
    pub async fn run(self, context: &Context) -> Result<ExitCode, Failure> {
        administer(context, async |admin| match self {
            Self::List { org, since, action, limit } => {
                let org = org::find(admin, &org).await?;
                let since = since.unwrap_or(DateTime::UNIX_EPOCH);
                let entries = entries(admin, org, since, action, limit).await?;
                context.output.table(&TABLE, &entries, Shown::cells);
                Ok(ExitCode::SUCCESS)
            }
            Self::Verify { org } => {
                let orgs = match org {
                    Some(org) => vec![org::find(admin, &org).await?],
                    None => admin.organizations().await?.into_iter().map(|row| OrgId(row.org_id)).collect(),
                };
                let mut logs = Vec::with_capacity(orgs.len());
                for org in orgs {
                    logs.push(Checked::from(admin.verify_audit(org).await?));
                }
                context.output.table(&CHECKED, &logs, Checked::cells);
                let is_complete = logs.iter().all(|log| log.faults.is_empty());
                Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        })
        .await
    }
}

async fn entries(
    admin: &AdminStore,
    org: OrgId,
    since: Timestamp,
    action: Option<Action>,
    limit: i64,
) -> Result<Vec<Shown>, Failure> {
    let mut shown: Vec<Shown> = Vec::new();
    loop {
        let after = shown.last().map(|entry| (entry.at, entry.number));
        let wanted = PAGE.min(limit - shown.len() as i64);
        let rows = admin.audit_entries(org, since, action, after, wanted).await?;
        let is_last = (rows.len() as i64) < wanted;
        for row in rows {
            shown.push(row.try_into()?);
        }
        if is_last || shown.len() as i64 >= limit {
            return Ok(shown);
        }
    }
}

/// Parses a date, which begins at midnight in UTC, or a time of RFC 3339.
fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let date = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc());
    let time = || text.parse::<DateTime<Utc>>().ok();
    date().or_else(time).ok_or("a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        assert_eq!(moment("2026-01-31").unwrap().to_rfc3339(), "2026-01-31T00:00:00+00:00");
        assert_eq!(moment("2026-01-31T12:00:00+02:00").unwrap().to_rfc3339(), "2026-01-31T10:00:00+00:00");
        assert!(moment("yesterday").is_err());
    }
}
