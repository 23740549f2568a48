//! What can be heard of a turn, and what became of it.

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lease::EndReason;
use crate::domain::Event;

/// How much of a reply is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    Whole,
    /// What had come when the turn was ended. The event is marked, so that clients can tell.
    Interrupted,
}

/// How a reply is marked that was interrupted: a member of what is stored with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReplyMark {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

impl ReplyMark {
    /// Returns the mark of a stored event, whatever else is stored with it.
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

/// What can be heard of a turn.
#[derive(Clone, Debug)]
pub enum Part {
    /// The next piece of the reply.
    Chunk(String),
    /// The last part.
    Over(Outcome),
}

/// What became of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The whole reply, stored. Where another request or a worker led the turn, it comes without chunks before it.
    Replied(Box<Event>),
    /// The turn was ended. `partial` is what had come of the reply, stored and marked, if anything had.
    Ended { reason: EndReason, partial: Option<Box<Event>> },
    /// There is no reply, and none will come.
    Failed,
}

/// Returns what became of a turn.
pub async fn outcome(mut parts: mpsc::Receiver<Part>) -> Outcome {
    loop {
        match parts.recv().await {
            Some(Part::Chunk(_)) => {}
            Some(Part::Over(outcome)) => return outcome,
            None => return Outcome::Failed,
        }
    }
}

/// Returns what became of a turn by `deadline`; [`Outcome::Failed`] if it still runs. Its reply is stored whenever it
/// comes.
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
    async fn a_reply_is_waited_for_until_a_moment_whenever_the_wait_began() {
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
