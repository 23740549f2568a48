//! The audit log: what was done to an organization, by whom, and what it was before and after.
//!
//! An entry is appended in the transaction of the act, so that neither is committed without the other. Appending locks
//! the head of the organization's log until that transaction ends. It is therefore the last statement of its
//! transaction: nothing is locked after it, so that two transactions cannot wait for each other, and the lock is short.
//!
//! Database roles can read the log and append to it, but not change it (`migrations/0036_audit.sql`). Every entry has
//! the SHA-256 of its content and of the entry before it, which [`Check`] computes again.

mod chain;
mod read;
mod view;

use sqlx::PgConnection;
use uuid::Uuid;

pub use chain::{AuditPosition, Fault, Head, Verified};
pub(super) use chain::{Check, StoredEntry};
pub use read::{AuditLog, AuditRow};
pub(super) use view::{
    AgentView, Clipped, DeliveryView, KeyView, OrganizationView, ReplacementView, SessionView, TokenView, WebhookView,
};

use super::StoreError;
use crate::domain::{Action, Actor, OrgId, Timestamp};

/// Bytes of an entry's state before or after the act.
const MAX_STATE: usize = 8_192;
/// Characters of the names of an actor and of a token's issuer.
const MAX_NAME: usize = 512;

/// An act to be recorded.
pub(super) struct Entry<'a> {
    pub org: OrgId,
    pub actor: &'a Actor,
    pub action: Action,
    /// What the act was done to, such as `agent/` and its UUID.
    pub target: String,
    /// JSON of at most [`MAX_STATE`] bytes; see [`state`].
    pub before: Option<String>,
    pub after: Option<String>,
}

impl<'a> Entry<'a> {
    pub fn new(org: OrgId, actor: &'a Actor, action: Action, target: String) -> Self {
        Self { org, actor, action, target, before: None, after: None }
    }

    /// Adds what the target was before the act.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn before(self, view: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { before: Some(state(view)?), ..self })
    }

    /// Adds what the target is after the act.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn after(self, view: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { after: Some(state(view)?), ..self })
    }
}

/// Returns a view as JSON. Views are bounded, so that none is too long; one that is would be replaced by its length
/// instead of preventing the act.
fn state(view: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(view)?;
    Ok(if text.len() > MAX_STATE { format!(r#"{{"bytes":{}}}"#, text.len()) } else { text })
}

/// Returns at most `limit` characters without U+0000, which Postgres cannot store.
fn storable(text: &str, limit: usize) -> String {
    text.chars().filter(|c| *c != '\0').take(limit).collect()
}

/// Appends entries to the logs of their organizations. The last statement of its transaction, which has all of these
/// organizations in its scope.
///
/// # Errors
/// When the database cannot be reached. The transaction must not be committed then.
pub(super) async fn append(connection: &mut PgConnection, entries: &[Entry<'_>]) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let orgs: Vec<Uuid> = entries.iter().map(|entry| entry.org.0).collect();
    let times: Vec<Option<Timestamp>> = entries.iter().map(|entry| entry.actor.at).collect();
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.actor.identity.kind()).collect();
    let texts = |of: fn(&Entry<'_>) -> Option<String>| -> Vec<Option<String>> { entries.iter().map(of).collect() };
    let actors = texts(|entry| entry.actor.identity.name().map(|name| storable(&name, MAX_NAME)));
    let issuers = texts(|entry| entry.actor.identity.issuer().map(|issuer| storable(issuer, MAX_NAME)));
    let addresses = texts(|entry| entry.actor.address.map(|address| address.to_string()));
    let requests = texts(|entry| entry.actor.request_id.clone());
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    let targets: Vec<&str> = entries.iter().map(|entry| entry.target.as_str()).collect();
    let befores: Vec<Option<&str>> = entries.iter().map(|entry| entry.before.as_deref()).collect();
    let afters: Vec<Option<&str>> = entries.iter().map(|entry| entry.after.as_deref()).collect();
    sqlx::query!(
        "SELECT append_audit_entries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &orgs,
        &times as &[Option<Timestamp>],
        &kinds as &[&str],
        &actors as &[Option<String>],
        &issuers as &[Option<String>],
        &addresses as &[Option<String>],
        &requests as &[Option<String>],
        &actions as &[&str],
        &targets as &[&str],
        &befores as &[Option<&str>],
        &afters as &[Option<&str>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Appends one entry in a transaction of `sessionary_system`, which needs a scope for it.
///
/// # Errors
/// When the database cannot be reached. The transaction must not be committed then.
pub(super) async fn append_as_system(connection: &mut PgConnection, entry: Entry<'_>) -> Result<(), StoreError> {
    let scope = format!("{{{}}}", entry.org);
    sqlx::query_scalar!("SELECT set_config('app.org_ids', $1, true)", scope).fetch_one(&mut *connection).await?;
    Ok(append(connection, &[entry]).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_bounded() {
        assert_eq!(state(&"x").unwrap(), r#""x""#);
        assert_eq!(state(&"x".repeat(9_000)).unwrap(), r#"{"bytes":9002}"#);
        assert_eq!(storable("a\0bc", 2), "ab");
    }
}
