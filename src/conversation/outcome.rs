//! The parts of a turn as they arrive, and its outcome.

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lease::EndReason;
use crate::domain::Event;

/// How much of a reply is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    Whole,
    /// Only the part that had arrived when the turn was ended. The event is marked, so that clients can see it.
    Interrupted,
}

/// The mark of an interrupted reply: a member of the event's stored payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReplyMark {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

impl ReplyMark {
    /// Returns the mark of a stored event; other members of its payload are ignored.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        event.payload.read().unwrap_or_default()
    }
}

impl From<Completeness> for ReplyMark {
    fn from(completeness: Completeness) -> Self {
        Self { interrupted: completeness == Completeness::Interrupted }
    }
}

/// One part of a running turn.
#[derive(Clone, Debug)]
pub enum Part {
    /// The next piece of the reply.
    Chunk(String),
    /// The last part: how the turn ended.
    Over(Outcome),
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The whole reply, stored. If another request or a worker led the turn, no chunks come before it.
    Replied(Box<Event>),
    /// The turn was ended. `partial` is the part of the reply that had arrived, stored and marked; `None` if nothing
    /// had.
    Ended { reason: EndReason, partial: Option<Box<Event>> },
    /// There is no reply, and none will come.
    Failed,
}

/// Waits until a turn ends, and returns its outcome.
pub async fn outcome(mut parts: mpsc::Receiver<Part>) -> Outcome {
    loop {
        match parts.recv().await {
            Some(Part::Chunk(_)) => {}
            Some(Part::Over(outcome)) => return outcome,
            None => return Outcome::Failed,
        }
    }
}

/// Waits for the outcome of a turn until `deadline`. Returns [`Outcome::Failed`] if the turn still runs then. Its reply
/// is stored whenever it arrives.
pub async fn outcome_by(deadline: Instant, parts: mpsc::Receiver<Part>) -> Outcome {
    tokio::time::timeout_at(deadline, outcome(parts)).await.unwrap_or(Outcome::Failed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{EventId, JsonText};
    use chrono::DateTime;
    use uuid::Uuid;

    fn reply() -> Event {
        Event {
            number: 2,
            id: EventId(Uuid::nil()),
            public_id: None,
            parent: None,
            kind: "agent".to_owned(),
            author_id: None,
            content: Some("hello".to_owned()),
            payload: JsonText::empty_object(),
            hidden: false,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_reply_ends_at_the_deadline_whenever_it_began() {
        let deadline = Instant::now() + Duration::from_secs(28);
        let (speaker, parts) = mpsc::channel(2);
        // The database was slow to store the message.
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(outcome_by(deadline, parts).await, Outcome::Failed);
        assert_eq!(Instant::now(), deadline);
        assert!(speaker.is_closed());

        let (speaker, parts) = mpsc::channel(2);
        let replied = || Outcome::Replied(Box::new(reply()));
        speaker.send(Part::Over(replied())).await.unwrap();
        assert_eq!(outcome_by(Instant::now() + Duration::from_secs(28), parts).await, replied());
    }
}
