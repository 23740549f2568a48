//! Errors of the store.

use std::sync::Arc;

use super::advice;

/// A failed call to the store. Every variant but [`StoreError::Unavailable`] leaves the database as it was before the
/// call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue is full. The caller may retry in a second.
    #[error("too much is waiting to be written")]
    Busy,
    /// The database did not respond in time. It is unknown whether the last attempt was committed; repeating the call
    /// is safe.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The database can be read, but not written to.
    #[error("the database takes no writes")]
    ReadOnly,
    /// The query was cancelled at its time limit.
    #[error("the query took too long")]
    TooSlow,
    /// The organization has as many requests waiting or in progress as it may have in a queue or a pool.
    #[error("the organization has too many requests in progress")]
    OrgBusy,
    /// The organization's storage quota is used up.
    #[error("the organization's storage quota is used up")]
    StorageFull,
    /// The database rejected this statement. This is a bug, because requests are validated before.
    #[error("the database rejected the statement: {}", advice::described(.0))]
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

/// Returns whether the same statement may succeed on another connection or a moment later.
pub(super) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // SQLSTATE classes: connection, transaction rollback (deadlock, serialization), insufficient resources,
        // operator intervention (shutdown, cancel). Codes: a server that became read-only, a lock that is not
        // available, a shard that is on another node.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class))
                || ["25006", "55P03", "SH001"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// Returns whether a transient error would make other statements fail as well. A conflict with another statement or a
/// time-out would not.
pub(super) fn prevents_writes(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_none_or(|code| !code.starts_with("40") && !["55P03", "57014"].contains(&code.as_ref()))
}

/// Returns whether a row with the same key exists.
pub(super) fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Returns whether the error is a violation of a unique constraint or index with this name. In a shard its name ends with a
/// number, as in `agents_pkey_102010`, and an error that another node has reported names it in its text alone.
pub(super) fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    let Some(error) = error.as_database_error().filter(|error| error.is_unique_violation()) else { return false };
    let broken = error.constraint().or_else(|| error.message().split('"').nth(1)).unwrap_or_default();
    let number = |rest: &str| rest.strip_prefix('_').is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    broken.strip_prefix(constraint).is_some_and(|rest| rest.is_empty() || number(rest))
}

/// Returns whether the statement divided by zero.
pub(super) fn is_division_by_zero(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "22012")
}

/// Returns whether the statement waited for a lock until its time limit.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "55P03")
}

/// Returns whether the server cancelled the statement at its time limit.
pub(super) fn is_too_long(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "57014")
}
