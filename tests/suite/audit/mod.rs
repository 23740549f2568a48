//! The audit log: what is recorded, and that nobody changes it unseen.

mod chain;
mod commands;
mod keys;
mod requests;
mod streamed;

use chrono::DateTime;
use sessionary::domain::OrgId;
use sessionary::store::AuditRow;

use crate::support::{TestApp, admin};

/// Returns all entries of an organization, oldest first.
async fn entries(org: OrgId) -> Vec<AuditRow> {
    let mut entries =
        admin().await.audit_entries(org, DateTime::UNIX_EPOCH, None, None, 10_000).await.expect("entries");
    entries.sort_by_key(|entry| entry.number);
    entries
}

/// The entries that are new since the last call.
struct Log {
    org: OrgId,
    seen: usize,
}

impl Log {
    async fn of(app: &TestApp) -> Self {
        Self { org: app.org, seen: entries(app.org).await.len() }
    }

    async fn new_entries(&mut self) -> Vec<AuditRow> {
        let new = entries(self.org).await.split_off(self.seen);
        self.seen += new.len();
        new
    }

    /// Returns the only new entry, which has this action.
    #[track_caller]
    fn one(&mut self, action: &'static str) -> impl Future<Output = AuditRow> {
        let at = std::panic::Location::caller();
        async move {
            let mut new = self.new_entries().await;
            let actions: Vec<&str> = new.iter().map(|entry| entry.action.as_str()).collect();
            assert_eq!(actions, [action], "{at}");
            new.remove(0)
        }
    }

    /// Asserts that there are no new entries.
    #[track_caller]
    fn none(&mut self) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let new = self.new_entries().await;
            assert!(new.is_empty(), "{at}: {new:?}");
        }
    }
}
