//! What was captured elsewhere: an event, and the session that it implies.

use super::grams::Grams;
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
}

impl CaptureFacts {
    /// Characters of a name that lists and figures tell apart; the whole name is kept with the event.
    pub const NAME_LIMIT: usize = 200;

    /// The name, as far as lists and figures know it.
    #[must_use]
    pub fn indexed_name(&self) -> &str {
        let end = self.name.char_indices().nth(Self::NAME_LIMIT).map_or(self.name.len(), |(at, _)| at);
        &self.name[..end]
    }
}
