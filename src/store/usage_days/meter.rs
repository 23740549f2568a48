//! Counts what organizations use until it is added to the database.

use std::collections::HashMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use uuid::Uuid;

use crate::domain::{AgentId, ApiName, KeyId, OrgId, Timestamp};

/// Rows of one organization and day that name an agent or a key. Further ones are counted without either.
pub(super) const MAX_NAMED: usize = 200;
/// Parts of the meter, so that requests seldom wait for each other.
const SHARDS: usize = 16;
/// Rows of one part that name an agent or a key: some 50,000 together, of 150 bytes each.
const MAX_NAMED_OF_SHARD: usize = 3_200;

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub sessions: i64,
    pub events: i64,
    pub requests: i64,
    /// Requests with an error as their response.
    pub errors: i64,
}

impl Amounts {
    const NONE: Self = Self { sessions: 0, events: 0, requests: 0, errors: 0 };
    pub const REQUEST: Self = Self { requests: 1, ..Self::NONE };
    pub const ERROR: Self = Self { errors: 1, ..Self::NONE };
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, more: Self) {
        self.sessions = self.sessions.saturating_add(more.sessions);
        self.events = self.events.saturating_add(more.events);
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
    }
}

/// One use of an organization's.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub org: OrgId,
    pub at: Timestamp,
    pub dialect: ApiName,
    pub agent: Option<AgentId>,
    pub key: Option<KeyId>,
    pub amounts: Amounts,
}

/// The key of a stored row. The nil UUID stands for no agent and for no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Row {
    pub org: OrgId,
    pub day: NaiveDate,
    pub dialect: i16,
    pub agent: Uuid,
    pub key: Uuid,
}

impl Row {
    fn of(used: &Used) -> Self {
        Self {
            org: used.org,
            day: used.at.date_naive(),
            dialect: used.dialect.code(),
            agent: used.agent.map(|agent| agent.0).unwrap_or_default(),
            key: used.key.map(|key| key.0).unwrap_or_default(),
        }
    }

    fn is_named(&self) -> bool {
        !self.agent.is_nil() || !self.key.is_nil()
    }

    fn without_names(self) -> Self {
        Self { agent: Uuid::nil(), key: Uuid::nil(), ..self }
    }
}

/// A part of the meter.
#[derive(Default)]
struct Shard {
    /// Rows that were added to the database stay with zero until their day is over, so that an organization's rows of a
    /// day are bounded, and not only those between two additions.
    rows: HashMap<Row, Amounts>,
    /// How many of an organization's rows name an agent or a key, by day.
    named: HashMap<(OrgId, NaiveDate), usize>,
    all_named: usize,
    newest: NaiveDate,
}

impl Shard {
    fn add(&mut self, row: Row, amounts: Amounts) {
        self.newest = self.newest.max(row.day);
        if let Some(counted) = self.rows.get_mut(&row) {
            *counted += amounts;
            return;
        }
        let row = if row.is_named() {
            let named = self.named.entry((row.org, row.day)).or_default();
            if *named < MAX_NAMED && self.all_named < MAX_NAMED_OF_SHARD {
                *named += 1;
                self.all_named += 1;
                row
            } else {
                row.without_names()
            }
        } else {
            row
        };
        *self.rows.entry(row).or_default() += amounts;
    }

    /// Moves what is counted to `taken`, and forgets rows of past days, or all if there are too many.
    fn take(&mut self, taken: &mut Vec<(Row, Amounts)>) {
        let is_full = self.all_named >= MAX_NAMED_OF_SHARD;
        let newest = self.newest;
        self.rows.retain(|row, amounts| {
            let counted = std::mem::take(amounts);
            if counted != Amounts::default() {
                taken.push((*row, counted));
            }
            row.day == newest && row.is_named() && !is_full
        });
        self.named.clear();
        for row in self.rows.keys() {
            *self.named.entry((row.org, row.day)).or_default() += 1;
        }
        self.all_named = self.rows.len();
    }
}

/// What is counted and not yet added to the database. Cheap to clone.
#[derive(Clone, Default)]
pub struct UsageMeter(Arc<[Mutex<Shard>; SHARDS]>);

impl UsageMeter {
    /// Counts a use.
    pub fn add(&self, used: &Used) {
        if used.amounts != Amounts::default() {
            self.shard(used.org).add(Row::of(used), used.amounts);
        }
    }

    /// Returns what was counted since the last call, in the order in which rows are locked.
    pub(super) fn take(&self) -> Vec<(Row, Amounts)> {
        let mut taken = Vec::new();
        for shard in self.0.iter() {
            shard.lock().unwrap_or_else(PoisonError::into_inner).take(&mut taken);
        }
        taken.sort_unstable_by_key(|(row, _)| *row);
        taken
    }

    /// Counts again what could not be added.
    pub(super) fn give_back(&self, counted: &[(Row, Amounts)]) {
        for (row, amounts) in counted {
            self.shard(row.org).add(*row, *amounts);
        }
    }

    fn shard(&self, org: OrgId) -> MutexGuard<'_, Shard> {
        // The last byte is random in UUIDs of every version that organizations have.
        let shard = &self.0[usize::from(org.0.as_bytes()[15]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    fn used(org: u128, agent: u128, key: u128) -> Used {
        Used {
            org: OrgId(Uuid::from_u128(org)),
            at: DateTime::UNIX_EPOCH,
            dialect: crate::domain::DialectName::Agntix.into(),
            agent: Some(AgentId(Uuid::from_u128(agent))),
            key: Some(KeyId(Uuid::from_u128(key))),
            amounts: Amounts::REQUEST,
        }
    }

    fn requests(rows: &[(Row, Amounts)]) -> i64 {
        rows.iter().map(|(_, amounts)| amounts.requests).sum()
    }

    #[test]
    fn uses_are_summed_up_per_row_and_taken_once() {
        let meter = UsageMeter::default();
        for agent in [1, 2, 1] {
            meter.add(&used(1, agent, 9));
        }
        meter.add(&Used { amounts: Amounts::default(), ..used(1, 3, 9) });
        let taken = meter.take();
        let shown: Vec<(u128, i64)> = taken.iter().map(|(row, sums)| (row.agent.as_u128(), sums.requests)).collect();
        assert_eq!(shown, [(1, 2), (2, 1)]);
        assert!(meter.take().is_empty());
        meter.give_back(&taken);
        meter.add(&used(1, 2, 9));
        assert_eq!(requests(&meter.take()), 4);
    }

    #[test]
    fn an_organization_has_a_bounded_number_of_rows_a_day_however_often_they_are_taken() {
        let meter = UsageMeter::default();
        let mut rows = std::collections::HashSet::new();
        let mut sum = 0;
        for agent in 1..=1_000 {
            meter.add(&used(1, agent, agent));
            meter.add(&used(17, 1, 1));
            if agent % 100 == 0 {
                let taken = meter.take();
                sum += requests(&taken);
                rows.extend(taken.into_iter().map(|(row, _)| row));
            }
        }
        assert_eq!(sum, 2_000);
        assert_eq!(rows.iter().filter(|row| row.org.0.as_u128() == 1).count(), MAX_NAMED + 1);
        // The next day has rows of its own.
        let tomorrow = Used { at: DateTime::UNIX_EPOCH + TimeDelta::days(1), ..used(1, 5_000, 1) };
        meter.add(&tomorrow);
        assert_eq!(meter.take()[0].0.agent.as_u128(), 5_000);
    }

    #[test]
    fn the_rows_in_memory_are_bounded() {
        let meter = UsageMeter::default();
        for org in 0..1_000 {
            for agent in 1..=10 {
                meter.add(&used(org * 16, agent, agent));
            }
        }
        let held = |meter: &UsageMeter| meter.0.iter().map(|shard| shard.lock().unwrap().rows.len()).sum::<usize>();
        assert!(held(&meter) <= MAX_NAMED_OF_SHARD + 1_000, "{}", held(&meter));
        assert_eq!(requests(&meter.take()), 10_000);
        assert_eq!(held(&meter), 0, "a part that is full begins again");
    }
}
