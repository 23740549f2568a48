//! What can go wrong with the store, as far as its callers must tell it apart.

use std::sync::Arc;

use super::advice;

/// A failed call to the store. Every variant but [`StoreError::Unavailable`] leaves the database as it was before the
/// call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue is full. Worth trying again in a second.
    #[error("too much is waiting to be written")]
    Busy,
    /// The database did not answer in time. Whether the last attempt was kept is unknown; the same call again is safe.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The database can be read, but takes no writes.
    #[error("the database takes no writes")]
    ReadOnly,
    /// The query was cancelled because it ran into its time limit.
    #[error("the query took too long")]
    TooSlow,
    /// The organization has as many requests waiting or in progress as it may have: its share of a queue or of a pool.
    #[error("the organization has too many requests in progress")]
    OrgBusy,
    /// The organization's storage quota is used up.
    #[error("the organization's storage quota is used up")]
    StorageFull,
    /// The database refused this one statement: a fault of ours, since what callers may send is checked before.
    #[error("the database refused the statement: {}", advice::described(.0))]
    Rejected(Arc<sqlx::Error>),
    /// A row that this version cannot read.
    #[error("unreadable row: {0}")]
    Unreadable(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_too_long(&error) {
            Self::TooSlow
        } else if is_transient(&error) {
            Self::Unavailable
        } else {
            Self::Rejected(Arc::new(error))
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Whether the same statement may succeed on another connection or a moment later.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // SQLSTATE classes: connection, transaction rollback (deadlock, serialization), insufficient resources,
        // operator intervention (shutdown, cancel); a server that turned read-only; a lock not to be had.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
                || ["25006", "55P03"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Whether a transient error says that other statements would fail as well: not that this one met another, or took too
/// long.
pub(super) fn prevents_writes(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_none_or(|code| !code.starts_with("40") && !["55P03", "57014"].contains(&code.as_ref()))
}

/// Whether the server gave the statement up for taking too long.
pub(super) fn is_too_long(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "57014")
}
