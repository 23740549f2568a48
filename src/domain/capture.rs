//! What was captured elsewhere: an event, and the session that it implies.

use super::grams::Grams;
use super::trace::SpanFacts;
use super::{NewEvent, NewSession, Timestamp};

/// An event that happened elsewhere, about to be written.
#[derive(Clone, Debug)]
pub struct NewCapture {
    /// The session as far as the event tells: made where nobody made it before.
    pub session: NewSession,
    /// The event; its id is unique in the organization.
    pub event: NewEvent,
    pub facts: CaptureFacts,
    /// What its name, input and output are searched by.
    pub grams: Grams,
}

/// What an event is counted and listed by.
#[derive(Clone, Debug)]
pub struct CaptureFacts {
    /// When it happened, as its sender says. Events are numbered as they come in, and that may be another order.
    pub at: Timestamp,
    /// What spoke or was called: the agent, the tool.
    pub name: String,
    pub success: bool,
    pub latency_ms: i64,
    /// Whether the latency is one, so that it enters averages and maxima.
    pub is_timed: bool,
}

/// A span of a trace, about to be written.
#[derive(Clone, Debug)]
pub struct NewSpan {
    /// The event. Its session is that of the trace as it stands for itself; which one it is written to, and as what, is
    /// decided when the rest of the trace is known ([`super::trace::place`]).
    pub capture: NewCapture,
    pub facts: SpanFacts,
    pub form: SpanForm,
    /// How many log records are part of it.
    pub logs: i32,
    /// The revision of what is stored, where this was made of it.
    pub merged: Option<i32>,
}

/// How complete a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum SpanForm {
    /// Only log records of it came.
    Logs = 0,
    /// It was exported when it started.
    Started = 1,
    Finished = 2,
}

impl CaptureFacts {
    /// The longest latency that enters averages: a day.
    pub const LONGEST_LATENCY_MS: i64 = 86_400_000;

    /// Whether a latency that was measured enters averages and maxima.
    #[must_use]
    pub fn is_plausible(latency_ms: i64) -> bool {
        (0..=Self::LONGEST_LATENCY_MS).contains(&latency_ms)
    }

    /// Characters of a name that lists and figures tell apart; the whole name is kept with the event.
    pub const NAME_LIMIT: usize = 200;

    /// The name, as far as lists and figures know it.
    #[must_use]
    pub fn indexed_name(&self) -> &str {
        let end = self.name.char_indices().nth(Self::NAME_LIMIT).map_or(self.name.len(), |(at, _)| at);
        &self.name[..end]
    }
}
