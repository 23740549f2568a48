//! What organizations are told of their sessions, and how often it is tried (docs/dialects/agntix.md).

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

use super::Timestamp;

/// What can happen to a session that an endpoint is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum WebhookEvent {
    #[serde(rename = "session.created")]
    SessionCreated,
    #[serde(rename = "session.ended")]
    SessionEnded,
}

impl WebhookEvent {
    pub const ALL: [Self; 2] = [Self::SessionCreated, Self::SessionEnded];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionCreated => "session.created",
            Self::SessionEnded => "session.ended",
        }
    }
}

impl fmt::Display for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WebhookEvent {
    type Err = UnknownEvent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or(UnknownEvent)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no such event; it is one of session.created, session.ended")]
pub struct UnknownEvent;

/// Seconds between an attempt that failed and the next, as Svix publishes them; then the last of them again and again.
const PAUSES: [i64; 7] = [5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 10 * 3_600];
/// How long a delivery is tried, from when it was queued: the vendor's 24 hours, which cut the last of the pauses short.
pub const TRIED_FOR: TimeDelta = TimeDelta::hours(24);

/// When to try again after the `attempts`-th attempt, counted from 1, has failed; `None`: no more.
///
/// Time alone ends it: attempts whose outcome was lost count, and are not to use the day up.
#[must_use]
pub fn next_attempt(attempts: u32, queued_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let end = queued_at + TRIED_FOR;
    let [.., last] = PAUSES;
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(place).copied().unwrap_or(last);
    (now < end).then(|| end.min(now + TimeDelta::seconds(pause)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;

    #[test]
    fn a_delivery_is_tried_for_a_day() {
        let queued = DateTime::UNIX_EPOCH;
        let (mut now, mut tried) = (queued, vec![0]);
        while let Some(next) = next_attempt(u32::try_from(tried.len()).unwrap(), queued, now) {
            now = next;
            tried.push((now - queued).num_seconds());
        }
        assert_eq!(tried, [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 86_400]);
    }

    proptest! {
        #[test]
        fn time_alone_ends_it_and_no_attempt_is_put_past_the_day_or_into_the_past(attempts: u32, late in 0i64..200_000) {
            let queued = DateTime::UNIX_EPOCH;
            let now = queued + TimeDelta::seconds(late);
            match next_attempt(attempts, queued, now) {
                Some(next) => prop_assert!(next > now && next <= queued + TRIED_FOR),
                None => prop_assert!(now >= queued + TRIED_FOR),
            }
        }
    }

    #[test]
    fn events_have_one_spelling() {
        for event in WebhookEvent::ALL {
            assert_eq!(event.to_string().parse::<WebhookEvent>().unwrap(), event);
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        assert!("session.closed".parse::<WebhookEvent>().is_err());
    }
}
