//! What a change of a session may append.

use crate::domain::{EventId, NewEvent};

/// The events that a change may append: their ids, and how many bytes they have together.
#[derive(Clone, Debug, Default)]
pub struct Appends {
    pub(super) ids: Vec<EventId>,
    pub(super) bytes: usize,
}

impl Appends {
    #[must_use]
    pub fn of<'e>(events: impl IntoIterator<Item = &'e NewEvent>) -> Self {
        events.into_iter().fold(Self::default(), |mut appends, event| {
            appends.ids.push(event.id);
            appends.bytes += event.bytes();
            appends
        })
    }

    /// Returns the events of a change that appends nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }
}
