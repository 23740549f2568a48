//! Captured events: written in groups, and read for the dashboard.
//!
//! The cost of a query does not grow with the table: pages are found by an index, figures come from totals that are
//! updated when events are written, and a query that has to read row by row reads only the newest [`SCAN_LIMIT`] events
//! of the window.

mod add;
mod checkpoints;
mod conversation;
pub(super) mod delete;
mod export;
mod figure;
mod figures;
mod filter;
pub(super) mod fold;
mod log;
mod metadata;
pub(super) mod rebuild;
pub(super) mod recount;
mod request;
mod row;
mod scan;
pub(super) mod search;
mod searched;
pub(super) mod shown;
mod stories;
mod totals;
mod traces;
mod unlocked;
mod write;

pub use checkpoints::CheckpointRow;
pub use conversation::SpanRow;
pub use figure::{Figure, Grain};
pub use figures::{Breakdown, Figures, Overview};
pub(super) use filter::search_patterns;
pub use filter::{CaptureFilter, Cursor, LogKind};
pub use log::LogPage;
pub use metadata::MetadataRow;
pub use row::CapturedRow;
pub use scan::SCAN_BYTES;

pub use stories::{StoryEventRow, StoryPage, StoryRow};
pub(super) use traces::CaptureSpans;
pub use traces::{CarriedSpan, SpanOutcome, Unmerged};
pub(super) use traces::{PlacedSpan, lock_traces, read_carried, write_carried};
pub(super) use write::{CaptureEvents, take_in};

pub(super) use self::add::Totals;
pub(super) use self::request::CaptureRequest;
pub(super) use self::search::add as add_to_search;
use super::{StoreError, TenantStore, scope};
use crate::domain::trace::TraceId;
use crate::domain::{DialectName, JsonText, NewCapture, NewSession, NewSpan, Timestamp};

/// Rows of a window that a query reads if no index finds the matching ones.
pub const SCAN_LIMIT: i64 = 20_000;
/// Rows of a window whose JSON is opened to compare metadata: about 20 microseconds each.
pub const OPENED_LIMIT: i64 = 10_000;
/// Rows of a window that are compared with a text if no index finds it: as many as a search with the index compares. A
/// text that is too short for the index is in most events, so that the newest are enough.
pub const COMPARED_LIMIT: i64 = 4_000;
/// Rows of a window whose JSON is opened for a distribution.
pub const SAMPLE: i64 = 2_500;
/// How far the rows of a list are counted.
pub const COUNT_LIMIT: i64 = 10_000;

/// The captured events of one organization.
pub struct Captures<'s>(pub(super) &'s TenantStore);

impl TenantStore {
    #[must_use]
    pub fn captures(&self) -> Captures<'_> {
        Captures(self)
    }
}

impl Captures<'_> {
    /// Stores an event, durably, and its session if it does not exist. Storing an event with the same id again changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too much is waiting, [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn append(&self, capture: NewCapture) -> Result<(), StoreError> {
        self.0.has_room()?;
        self.0
            .groups()
            .capture_events
            .submit(CaptureRequest { org: self.0.org, capture, used_by: self.0.key() })
            .await?;
        Ok(())
    }

    /// Stores spans of one trace, durably, and returns the outcome of each. Which spans are turns, and of which
    /// conversation, is decided with all stored spans of the trace. Spans that were stored earlier are changed if they
    /// turn out to be something else.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too much is waiting, [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn append_spans(&self, trace: TraceId, spans: Vec<NewSpan>) -> Result<Vec<SpanOutcome>, StoreError> {
        self.0.has_room()?;
        let request = traces::Request { org: self.0.org, trace, spans, used_by: self.0.key() };
        Ok(self.0.groups().capture_spans.submit(request).await?.outcomes)
    }

    /// Fills in a session that an event implied with the data of its own capture, including its start if that is known.
    /// A session that was captured itself is not changed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn fill_in(&self, session: &NewSession, began: Option<Timestamp>) -> Result<(), StoreError> {
        let mut transaction = scope::begin_pooled(self.0.pool(), self.0.org).await?;
        sqlx::query!(
            "UPDATE sessions
                SET enabled = true, public_id = $4, kind = $5, user_id = COALESCE($6, user_id), metadata = $7::text::json,
                    detail = $8::text::json, created_at = COALESCE($9, created_at)
              WHERE org_id = $1 AND dialect = $2 AND session_id = $3 AND detail->>'implied' = 'true'",
            self.0.org.0,
            session.dialect.code(),
            session.id.0,
            session.public_id,
            session.kind,
            session.user_id,
            session.metadata.as_ref().map(JsonText::as_str),
            session.detail.as_str(),
            began
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// The dialect of captured sessions.
const DIALECT: DialectName = DialectName::Agnost;
