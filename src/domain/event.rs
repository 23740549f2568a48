//! Events of a session: messages, tool calls, captured turns.

use super::{DialectName, EventId, JsonText, Timestamp};

/// An event to be appended.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Unique in its session. An event with an id that exists is not appended again.
    pub id: EventId,
    /// The caller's id of the event, unless it is a UUID.
    pub public_id: Option<String>,
    pub parent: Option<EventId>,
    /// The dialect's own word for the kind of event.
    pub kind: String,
    pub author_id: Option<String>,
    pub content: Option<String>,
    /// The other data of the dialect.
    pub payload: JsonText,
    pub hidden: bool,
    /// When it happened. An event that is not later than the previous one gets a time one millisecond after that, so
    /// that times order a session's events as their numbers do.
    pub at: Timestamp,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Counted from 1 in each session, without gaps.
    pub number: i64,
    pub id: EventId,
    pub public_id: Option<String>,
    pub parent: Option<EventId>,
    pub kind: String,
    pub author_id: Option<String>,
    pub content: Option<String>,
    pub payload: JsonText,
    pub hidden: bool,
    pub created_at: Timestamp,
}

impl NewEvent {
    /// Returns an event of `kind` without text, author or payload, for a literal to fill in.
    #[must_use]
    pub fn of(id: EventId, kind: &str, at: Timestamp) -> Self {
        Self {
            id,
            public_id: None,
            parent: None,
            kind: kind.to_owned(),
            author_id: None,
            content: None,
            payload: JsonText::empty_object(),
            hidden: false,
            at,
        }
    }

    /// Returns how many bytes of it the caller determines.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.public_id, &self.author_id, &self.content];
        self.kind.len() + self.payload.as_str().len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }

    /// Returns the event with its assigned number and time.
    #[must_use]
    pub fn numbered(self, number: i64, created_at: Timestamp) -> Event {
        Event {
            number,
            id: self.id,
            public_id: self.public_id,
            parent: self.parent,
            kind: self.kind,
            author_id: self.author_id,
            content: self.content,
            payload: self.payload,
            hidden: self.hidden,
            created_at,
        }
    }
}

/// Who speaks in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Agent,
    /// A turn: what the user wrote, and the agent's reply.
    Both,
}

impl Speaker {
    /// Returns who speaks in an event of this kind, or `None` if neither a user nor an agent does: in the call of a
    /// tool, in a summary, or in what a worker submits under a word of its own.
    #[must_use]
    pub fn of(dialect: DialectName, kind: &str) -> Option<Self> {
        match (dialect, kind) {
            (DialectName::Agnost, "turn") => Some(Self::Both),
            (DialectName::Agntix, "USER")
            | (DialectName::AgentKey, "input_message")
            | (DialectName::Messaging | DialectName::IntegerId, "user") => Some(Self::User),
            (DialectName::Agntix, "ASSISTANT")
            | (DialectName::AgentKey, "agent_output")
            | (DialectName::Messaging, "agent_response")
            | (DialectName::IntegerId, "agent") => Some(Self::Agent),
            _ => None,
        }
    }
}

/// Whether an event is shown in its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventVisibility {
    Visible,
    Hidden,
}

/// The last number and time of a session's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    pub last_number: i64,
    /// When the last event happened; `None` before the first.
    pub last_at: Option<Timestamp>,
}

impl Numbering {
    /// The numbering before the first event.
    pub const START: Self = Self { last_number: 0, last_at: None };

    /// Returns the number and the time of the next event. It is at least one millisecond after the last.
    pub fn next(&mut self, at: Timestamp) -> (i64, Timestamp) {
        let earliest = self.last_at.map_or(at, |last| last + chrono::Duration::milliseconds(1));
        let at = at.max(earliest);
        self.last_number += 1;
        self.last_at = Some(at);
        (self.last_number, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_have_no_gaps_and_times_strictly_increase(times in prop::collection::vec(0i64..100, 1..50)) {
            let mut numbering = Numbering::START;
            let mut last = None;
            for (index, milliseconds) in times.into_iter().enumerate() {
                let at = DateTime::from_timestamp_millis(milliseconds).unwrap();
                let (number, given) = numbering.next(at);
                prop_assert_eq!(number, index as i64 + 1);
                prop_assert!(given >= at && last.is_none_or(|last| given > last));
                last = Some(given);
            }
        }
    }
}
