//! The open turn of a session: the newest message that waits for its reply.
//!
//! It is stored with the session and changes under the session's lock, so that all replicas agree on which of them
//! replies, and on whether a message is new or a retry.

use chrono::TimeDelta;
use chrono::serde::ts_milliseconds;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{EventId, NewEvent, Timestamp};

/// How long a turn counts as running after its replica last renewed its lease. After this time, the turns of a replica
/// that died can be taken over.
pub const LEASE: TimeDelta = TimeDelta::seconds(8);

/// How long after a turn failed without a reply the same message continues it.
pub const RETRY_WINDOW: TimeDelta = TimeDelta::seconds(60);

/// A message that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTurn {
    pub message: EventId,
    /// The id of the reply's event.
    pub reply: EventId,
    pub fingerprint: Fingerprint,
    pub state: TurnState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    /// A replica works on the reply, and has a lease until this time.
    Running(#[serde(with = "ts_milliseconds")] Timestamp),
    /// It ended without a reply, at this time.
    Failed(#[serde(with = "ts_milliseconds")] Timestamp),
}

/// The sender of a message, and its idempotency key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentBy {
    /// The user or the API key that the request was authenticated as.
    pub caller: Option<String>,
    /// The seed that all attempts at the request share, if it came with an `Idempotency-Key`.
    pub request_seed: Option<[u8; 32]>,
}

/// Identifies a message and its retries by their sender and their whole content. Messages with different keys are
/// different messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(Uuid);

impl Fingerprint {
    #[must_use]
    pub fn of(message: &NewEvent, sent_by: &SentBy) -> Self {
        let mut hash = Sha256::new();
        let parts = [
            Some(message.kind.as_bytes()),
            message.author_id.as_deref().map(str::as_bytes),
            message.content.as_deref().map(str::as_bytes),
            Some(message.payload.as_str().as_bytes()),
            sent_by.caller.as_deref().map(str::as_bytes),
            sent_by.request_seed.as_ref().map(<[u8; 32]>::as_slice),
        ];
        for part in parts {
            // With its length, so that the parts cannot be confused with each other.
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Self(Uuid::from_bytes(half))
    }
}

/// What an arriving message is to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A new message.
    New,
    /// The newest message again, after its turn ended without a reply. A new turn begins for the stored message.
    Retry { message: EventId },
    /// The newest message again, while its turn runs.
    Joins { message: EventId, reply: EventId },
}

impl OpenTurn {
    /// Returns the new turn of a message.
    #[must_use]
    pub fn begin(message: EventId, reply: EventId, fingerprint: Fingerprint, now: Timestamp) -> Self {
        Self { message, reply, fingerprint, state: TurnState::Running(now + LEASE) }
    }

    /// Returns the same turn with its lease renewed.
    #[must_use]
    pub fn renewed(self, now: Timestamp) -> Self {
        Self { state: TurnState::Running(now + LEASE), ..self }
    }

    /// Returns the same turn, ended without a reply.
    #[must_use]
    pub fn failed(self, now: Timestamp) -> Self {
        Self { state: TurnState::Failed(now), ..self }
    }

    #[must_use]
    pub fn is_running(&self, now: Timestamp) -> bool {
        matches!(self.state, TurnState::Running(until) if until > now)
    }

    /// Returns whether a replica had the turn when it was last written, even if that replica has died since.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.state, TurnState::Running(_))
    }

    /// Returns what a message is that arrives while this is the session's open turn.
    #[must_use]
    pub fn arrival(&self, fingerprint: Fingerprint, now: Timestamp) -> Arrival {
        if self.fingerprint != fingerprint {
            return Arrival::New;
        }
        let message = self.message;
        match self.state {
            TurnState::Running(until) if until > now => Arrival::Joins { message, reply: self.reply },
            TurnState::Running(ended) | TurnState::Failed(ended) if now - ended <= RETRY_WINDOW => {
                Arrival::Retry { message }
            }
            _ => Arrival::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::JsonText;

    fn message(author: Option<&str>, content: &str) -> NewEvent {
        NewEvent {
            author_id: author.map(str::to_owned),
            content: Some(content.to_owned()),
            ..NewEvent::of(EventId(Uuid::nil()), "user", Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn a_message_is_known_by_its_author_its_content_and_its_key() {
        let anyone = SentBy::default();
        let of = |message: NewEvent| Fingerprint::of(&message, &anyone);
        let same = of(message(Some("a"), "b"));
        assert_eq!(of(NewEvent { id: EventId(Uuid::max()), ..message(Some("a"), "b") }), same);
        for other in [
            of(message(Some("ab"), "")),
            of(message(None, "b")),
            of(message(Some(""), "b")),
            of(NewEvent { payload: JsonText::of(&[1]).unwrap(), ..message(Some("a"), "b") }),
            Fingerprint::of(&message(Some("a"), "b"), &SentBy { caller: Some("c".to_owned()), ..anyone.clone() }),
            Fingerprint::of(&message(Some("a"), "b"), &SentBy { request_seed: Some([7; 32]), ..anyone.clone() }),
        ] {
            assert_ne!(other, same);
        }
    }

    #[test]
    fn the_same_message_joins_a_running_turn_and_continues_one_that_ended_a_moment_ago() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let (first, other) = (
            Fingerprint::of(&message(None, "a"), &SentBy::default()),
            Fingerprint::of(&message(None, "b"), &SentBy::default()),
        );
        let (id, reply) = (EventId(Uuid::from_u128(1)), EventId(Uuid::from_u128(2)));
        let turn = OpenTurn::begin(id, reply, first, at(0));
        let (joins, retry) = (Arrival::Joins { message: id, reply }, Arrival::Retry { message: id });
        for (turn, fingerprint, now, arrival) in [
            (turn, first, 7, joins),
            (turn, other, 7, Arrival::New),
            (turn.renewed(at(6)), first, 13, joins),
            // Its replica died: the lease of 8 seconds has passed.
            (turn, first, 8, retry),
            (turn, first, 68, retry),
            (turn, first, 69, Arrival::New),
            (turn.failed(at(30)), first, 30, retry),
            (turn.failed(at(30)), other, 30, Arrival::New),
            (turn.failed(at(30)), first, 90, retry),
            (turn.failed(at(30)), first, 91, Arrival::New),
        ] {
            assert_eq!(turn.arrival(fingerprint, at(now)), arrival, "{turn:?} at {now}");
        }
        let written = JsonText::of(&turn).unwrap();
        assert_eq!(written.read::<OpenTurn>().unwrap(), turn);
    }
}
