//! Captured events and the sessions that they imply.

use serde::{Deserialize, Serialize};

use super::grams::Grams;
use super::trace::SpanFacts;
use super::{NewEvent, NewSession, Timestamp};

/// A captured event to be written.
#[derive(Clone, Debug)]
pub struct NewCapture {
    /// The session as far as the event describes it. It is created if it does not exist.
    pub session: NewSession,
    /// The event; its id is unique in the organization.
    pub event: NewEvent,
    pub facts: CaptureFacts,
    /// The grams of its name, input and output, for searches.
    pub grams: Grams,
}

/// The facts by which an event is counted and listed.
#[derive(Clone, Debug)]
pub struct CaptureFacts {
    /// When it happened, according to its sender. Events are numbered as they arrive, which may be another order.
    pub at: Timestamp,
    /// The name of the agent or the tool.
    pub name: String,
    pub success: bool,
    pub latency_ms: i64,
    /// Whether the latency was measured and is plausible, so that it counts in averages and maxima.
    pub is_timed: bool,
}

/// A span of a trace to be written.
#[derive(Clone, Debug)]
pub struct NewSpan {
    /// The event. Its session is the trace's own; the session and the kind that it is stored with are decided with all
    /// spans of the trace ([`super::trace::place`]).
    pub capture: NewCapture,
    pub facts: SpanFacts,
    pub form: SpanForm,
    /// How many log records are part of it.
    pub logs: i32,
    /// The revision of the stored span that this one was merged with, if it was.
    pub merged: Option<i32>,
}

/// How complete a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i16)]
pub enum SpanForm {
    /// Only log records of it arrived.
    Logs = 0,
    /// It was exported when it started.
    Started = 1,
    Finished = 2,
}

impl CaptureFacts {
    /// The longest latency that counts in averages: a day.
    pub const LONGEST_LATENCY_MS: i64 = 86_400_000;

    /// Returns whether a measured latency counts in averages and maxima.
    #[must_use]
    pub fn is_plausible(latency_ms: i64) -> bool {
        (0..=Self::LONGEST_LATENCY_MS).contains(&latency_ms)
    }

    /// Characters of a name that lists and figures use. The whole name is stored with the event.
    pub const NAME_LIMIT: usize = 200;

    /// Returns the name, shortened to what lists and figures use.
    #[must_use]
    pub fn indexed_name(&self) -> &str {
        let end = self.name.char_indices().nth(Self::NAME_LIMIT).map_or(self.name.len(), |(at, _)| at);
        &self.name[..end]
    }
}
