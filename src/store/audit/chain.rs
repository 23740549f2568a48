//! The chain of hashes of an organization's entries.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::{OrgId, Timestamp};

/// What the function `append_audit_entries` of the database writes before the members of an entry.
const VERSION: &str = "sessionary audit 1";

/// A row of `audit_entries`.
pub struct StoredEntry {
    pub number: i64,
    pub at: Timestamp,
    pub actor_kind: String,
    pub actor: Option<String>,
    pub issuer: Option<String>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    pub action: String,
    pub target: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub previous_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

impl StoredEntry {
    /// Returns the SHA-256 of the entry's members and of the hash before it. Each member has its length before it, so
    /// that no two lists of members are the same text.
    fn hash(&self, org: Uuid) -> [u8; 32] {
        let (number, at) = (self.number.to_string(), self.at.timestamp_micros().to_string());
        let (org, previous) = (org.to_string(), hex::encode(&self.previous_hash));
        let members = [
            Some(VERSION),
            Some(&org),
            Some(&number),
            Some(&at),
            Some(&self.actor_kind),
            self.actor.as_deref(),
            self.issuer.as_deref(),
            self.address.as_deref(),
            self.request_id.as_deref(),
            Some(&self.action),
            Some(&self.target),
            self.before.as_deref(),
            self.after.as_deref(),
            Some(&previous),
        ];
        let mut digest = Sha256::new();
        for member in members {
            match member {
                None => digest.update("-;"),
                Some(member) => digest.update(format!("{}:{member};", member.len())),
            }
        }
        digest.finalize().into()
    }
}

/// The newest entry of a log: its number and its hash in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    pub number: i64,
    pub hash: String,
}

/// The entry up to which a log was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPosition {
    pub number: i64,
    pub hash: Vec<u8>,
}

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// These entries are missing, the first and the last of them included.
    Missing { first: i64, last: i64 },
    /// The content of this entry does not match its hash.
    Changed { number: i64 },
    /// This entry does not continue the one before it, which was replaced.
    Unlinked { number: i64 },
    /// The head of the log is not the newest entry, or it is missing.
    Head { number: i64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { first, last } if first == last => write!(f, "entry {first} is missing"),
            Self::Missing { first, last } => write!(f, "entries {first} to {last} are missing"),
            Self::Changed { number } => write!(f, "entry {number} was changed"),
            Self::Unlinked { number } => write!(f, "entry {number} does not continue the entry before it"),
            Self::Head { number } => write!(f, "the head of the log does not match entry {number}"),
        }
    }
}

/// The result of a check.
#[derive(Debug)]
pub struct Verified {
    pub org: OrgId,
    pub entries: i64,
    /// `None` if nothing was recorded.
    pub head: Option<Head>,
    /// The first 100 of them.
    pub faults: Vec<Fault>,
}

/// Faults that are reported of one log.
const MAX_FAULTS: usize = 100;

/// Checks the entries of a log one after another, in the order of their numbers.
pub struct Check {
    org: OrgId,
    entries: i64,
    number: i64,
    hash: Vec<u8>,
    faults: Vec<Fault>,
}

impl Check {
    pub fn new(org: OrgId) -> Self {
        // The hash before the first entry is that of nothing.
        Self::after(org, AuditPosition { number: 0, hash: Sha256::digest(b"").to_vec() })
    }

    /// Begins a check after an entry that was checked before.
    pub fn after(org: OrgId, AuditPosition { number, hash }: AuditPosition) -> Self {
        Self { org, entries: 0, number, hash, faults: Vec::new() }
    }

    /// Returns the last checked entry.
    pub fn position(&self) -> AuditPosition {
        AuditPosition { number: self.number, hash: self.hash.clone() }
    }

    /// Ends a check before the end of the log.
    pub fn pause(self) -> Verified {
        Verified { org: self.org, entries: self.entries, head: None, faults: self.faults }
    }

    /// Checks the next entry.
    pub fn entry(&mut self, entry: StoredEntry) {
        self.entries += 1;
        if entry.number > self.number + 1 {
            self.report(Fault::Missing { first: self.number + 1, last: entry.number - 1 });
        } else if entry.previous_hash != self.hash {
            self.report(Fault::Unlinked { number: entry.number });
        }
        if entry.hash(self.org.0)[..] != entry.hash {
            self.report(Fault::Changed { number: entry.number });
        }
        self.number = entry.number;
        self.hash = entry.hash;
    }

    /// Compares the last entry with the head of the log.
    pub fn finish(mut self, head: Option<(i64, Vec<u8>)>) -> Verified {
        let (number, hash) = head.unwrap_or((0, Vec::new()));
        if number > self.number {
            self.report(Fault::Missing { first: self.number + 1, last: number });
        } else if number < self.number || number > 0 && hash != self.hash {
            self.report(Fault::Head { number: self.number });
        }
        let newest = Head { number: self.number, hash: hex::encode(&self.hash) };
        let Self { org, entries, faults, .. } = self;
        Verified { org, entries, head: (newest.number > 0).then_some(newest), faults }
    }

    fn report(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    /// Returns the first `count` entries of a log.
    fn log(count: i64) -> Vec<StoredEntry> {
        let mut hash = Sha256::digest(b"").to_vec();
        let entry = |number| {
            let mut entry = StoredEntry {
                number,
                at: DateTime::UNIX_EPOCH,
                actor_kind: "service".to_owned(),
                actor: None,
                issuer: None,
                address: None,
                request_id: None,
                action: "agent.create".to_owned(),
                target: "agent/1".to_owned(),
                before: None,
                after: Some("{}".to_owned()),
                previous_hash: hash.clone(),
                hash: Vec::new(),
            };
            entry.hash = entry.hash(Uuid::nil()).to_vec();
            hash.clone_from(&entry.hash);
            entry
        };
        (1..=count).map(entry).collect()
    }

    fn faults(entries: Vec<StoredEntry>, head: Option<(i64, Vec<u8>)>) -> Vec<Fault> {
        let mut check = Check::new(OrgId(Uuid::nil()));
        for entry in entries {
            check.entry(entry);
        }
        check.finish(head).faults
    }

    #[test]
    fn a_complete_log_has_no_faults() {
        let entries = log(3);
        let head = Some((3, entries[2].hash.clone()));
        assert_eq!(faults(entries, head), []);
        assert_eq!(faults(Vec::new(), None), []);
    }

    #[test]
    fn what_is_missing_or_changed_is_found_by_its_number() {
        let head = || Some((3, log(3)[2].hash.clone()));
        let without = |number: i64| log(3).into_iter().filter(move |entry| entry.number != number).collect();
        assert_eq!(faults(without(1), head()), [Fault::Missing { first: 1, last: 1 }]);
        assert_eq!(faults(without(2), head()), [Fault::Missing { first: 2, last: 2 }]);
        assert_eq!(faults(without(3), head()), [Fault::Missing { first: 3, last: 3 }]);

        let mut changed = log(3);
        changed[1].target = "agent/2".to_owned();
        assert_eq!(faults(changed, head()), [Fault::Changed { number: 2 }]);

        // With a new hash, the entry after it does not continue it.
        let mut replaced = log(3);
        replaced[1].target = "agent/2".to_owned();
        replaced[1].hash = replaced[1].hash(Uuid::nil()).to_vec();
        assert_eq!(faults(replaced, head()), [Fault::Unlinked { number: 3 }]);

        assert_eq!(faults(log(3), Some((2, log(2)[1].hash.clone()))), [Fault::Head { number: 3 }]);
        assert_eq!(faults(log(3), None), [Fault::Head { number: 3 }]);
    }

    #[test]
    fn a_check_in_stretches_finds_what_one_check_finds() {
        let org = OrgId(Uuid::nil());
        let in_stretches = |entries: Vec<StoredEntry>, at: usize| {
            let (mut first, head) = (Check::new(org), Some((5, log(5)[4].hash.clone())));
            let mut entries = entries.into_iter();
            entries.by_ref().take(at).for_each(|entry| first.entry(entry));
            let mut second = Check::after(org, first.position());
            entries.for_each(|entry| second.entry(entry));
            [first.pause().faults, second.finish(head).faults].concat()
        };
        for at in 0..=4 {
            assert_eq!(in_stretches(log(5), at), []);
            let without = log(5).into_iter().filter(|entry| entry.number != 3).collect();
            assert_eq!(in_stretches(without, at), [Fault::Missing { first: 3, last: 3 }], "{at}");
        }
    }

    #[test]
    fn a_member_cannot_move_into_its_neighbour() {
        let mut one = log(1).remove(0);
        let hash = one.hash(Uuid::nil());
        (one.action, one.target) = ("agent.createagent".to_owned(), "/1".to_owned());
        assert_ne!(one.hash(Uuid::nil()), hash);
    }
}
