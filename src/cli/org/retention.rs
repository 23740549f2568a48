//! `org retention`: after how many days sessions are erased, and legal holds.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cli::{Context, Failure, erase};
use crate::domain::{DialectName, OrgId, Timestamp};
use crate::store::admin::{AdminStore, RetentionRule};

/// The longest retention, in days: a century.
const MAX_DAYS: i32 = 36_500;

/// A number of days, or the word `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RetentionDays(Option<i32>);

impl FromStr for RetentionDays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let days = text.parse().ok().filter(|days| (1..=MAX_DAYS).contains(days));
        days.map(|days| Self(Some(days))).ok_or_else(|| format!("1 to {MAX_DAYS} days, or off"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LegalHold {
    On,
    Off,
}

#[derive(Args)]
pub(in crate::cli) struct Retention {
    /// Its UUID or external id
    org: String,
    /// The dialect whose sessions --days is about; all dialects when absent
    #[arg(long)]
    dialect: Option<DialectName>,
    /// RetentionDays without a change after which sessions are erased, or `off` to store them for ever
    #[arg(long)]
    days: Option<RetentionDays>,
    /// Begin or end a legal hold, under which neither retention nor `erase` deletes anything
    #[arg(long)]
    hold: Option<LegalHold>,
    /// Show what would be erased now, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct ShownRetentionRule {
    dialect: &'static str,
    days: i32,
}

#[derive(Serialize)]
struct ShownRetention {
    org_id: OrgId,
    rules: Vec<ShownRetentionRule>,
    held_since: Option<Timestamp>,
}

impl Retention {
    pub async fn run(self, context: &Context, admin: &AdminStore) -> Result<(), Failure> {
        let org = super::find(admin, &self.org).await?;
        let now = context.clock.now();
        let dialects: Vec<DialectName> = match self.dialect {
            Some(dialect) => vec![dialect],
            None => DialectName::ALL.to_vec(),
        };
        if self.dry_run {
            let rules: Vec<RetentionRule> = match self.days {
                Some(RetentionDays(days)) => dialects
                    .iter()
                    .filter_map(|dialect| Some(RetentionRule { dialect: *dialect, days: days? }))
                    .collect(),
                None => {
                    let mut rules = admin.retention(org).await?.rules;
                    rules.retain(|rule| dialects.contains(&rule.dialect));
                    rules
                }
            };
            let mut previews = Vec::with_capacity(rules.len());
            for rule in rules {
                previews.push(admin.preview_retention(org, rule.dialect, rule.unused_since(now)).await?);
            }
            erase::show_retention(context, previews);
            return Ok(());
        }
        // A hold begins before and ends after the days are set, so that nothing is erased in between.
        if self.hold == Some(LegalHold::On) {
            admin.set_legal_hold(org, Some(now)).await?;
        }
        if let Some(RetentionDays(days)) = self.days {
            for dialect in &dialects {
                admin.set_retention(org, *dialect, days, now).await?;
            }
        }
        if self.hold == Some(LegalHold::Off) {
            admin.set_legal_hold(org, None).await?;
        }
        let settings = admin.retention(org).await?;
        let shown = ShownRetention {
            org_id: org,
            rules: settings
                .rules
                .iter()
                .map(|rule| ShownRetentionRule { dialect: rule.dialect.as_str(), days: rule.days })
                .collect(),
            held_since: settings.held_since,
        };
        let mut details: Vec<(&str, String)> = DialectName::ALL
            .into_iter()
            .map(|dialect| {
                let rule = settings.rules.iter().find(|rule| rule.dialect == dialect);
                (dialect.as_str(), rule.map_or_else(|| "for ever".to_owned(), |rule| format!("{} days", rule.days)))
            })
            .collect();
        let held = settings.held_since.map_or_else(|| "no".to_owned(), |since| format!("since {}", since.to_rfc3339()));
        details.push(("legal hold", held));
        context.output.details("Sessions are stored for this long after their last change.", &details, &shown);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_a_number_or_off() {
        assert_eq!("off".parse(), Ok(RetentionDays(None)));
        assert_eq!("30".parse(), Ok(RetentionDays(Some(30))));
        for wrong in ["", "0", "-1", "36501", "1.5", "never"] {
            assert!(wrong.parse::<RetentionDays>().is_err(), "{wrong}");
        }
    }
}
