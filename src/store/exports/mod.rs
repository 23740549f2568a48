//! Reads sessions with all that they are, piece by piece, for exports.
//!
//! A piece is a few sessions or a part of a long one, at most about 1 MiB and one event. It is read in a transaction of
//! its own, so that a reader that sleeps between two pieces uses no connection. Sessions are sorted by their dialect and
//! the time of their creation, oldest first, so that what is created meanwhile in a dialect comes after it.

mod piece;
mod rows;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::{self, Entry};
use super::{CarriedSpan, StoreError, TenantStore, scope};
use crate::domain::{Action, AgentId, DialectName, Event, Session, Timestamp};

pub use rows::{ExportedAgent, ExportedFacts};

/// Which sessions an export has.
#[derive(Clone, Debug)]
pub struct ExportFilter {
    /// In the order of their codes.
    pub dialects: Vec<DialectName>,
    pub user: Option<String>,
    pub agent: Option<AgentId>,
    /// At this time or later.
    pub created_after: Option<Timestamp>,
    /// Before this time.
    pub created_before: Option<Timestamp>,
}

impl Default for ExportFilter {
    /// Returns the filter of an export of everything.
    fn default() -> Self {
        Self { dialects: DialectName::ALL.to_vec(), user: None, agent: None, created_after: None, created_before: None }
    }
}

/// The position after a part of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPosition {
    pub(super) dialect: i16,
    pub(super) created_at: Timestamp,
    pub(super) id: Uuid,
    /// The last event of the part and that of the session, if more events of the session follow.
    pub(super) within: Option<(i64, i64)>,
}

/// An event, and by what it is listed if it was captured.
#[derive(Debug)]
pub struct ExportedEvent {
    pub event: Event,
    pub facts: Option<ExportedFacts>,
    /// How it belongs to its trace, if it is a span.
    pub span: Option<CarriedSpan>,
}

/// A session or a part of it.
#[derive(Debug)]
pub struct ExportedPart {
    pub session: Session,
    /// Whether the session itself is part of it, or only further events.
    pub is_first: bool,
    pub agent: Option<ExportedAgent>,
    /// The number and the time of the session's last event.
    pub last_event: Option<(i64, Timestamp)>,
    pub events: Vec<ExportedEvent>,
    /// Whether further events follow in the next part.
    pub continues: bool,
    pub position: ExportPosition,
}

/// A piece of an export.
#[derive(Debug)]
pub struct ExportPiece {
    /// None if no session that was looked at matches.
    pub parts: Vec<ExportedPart>,
    /// The position after the piece; `None` at the end of the export, which has no parts.
    pub next: Option<ExportPosition>,
}

/// The exports of one organization.
pub struct Exports<'s>(&'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn exports(&self) -> Exports<'_> {
        Exports(self)
    }
}

impl Exports<'_> {
    /// Returns the next piece after a position. It looks at some 2,000 sessions at most, so that it may have no parts and
    /// not be the end.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn piece(&self, filter: &ExportFilter, after: Option<ExportPosition>) -> Result<ExportPiece, StoreError> {
        piece::read(self.0, filter, after).await
    }

    /// Records that the organization's sessions are exported.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn record(&self) -> Result<(), StoreError> {
        let org = self.0.org;
        let mut transaction = scope::begin_pooled(self.0.pool(), org).await?;
        let entry = Entry::new(org, self.0.actor(), Action::SessionExport, format!("organization/{org}"));
        audit::append(&mut transaction, &[entry]).await?;
        transaction.commit().await?;
        Ok(())
    }
}
