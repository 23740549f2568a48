//! The webhook events of sessions, and the schedule of attempts (docs/webhooks.md).

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

use super::{DialectName, Timestamp};

/// An event of a session that is sent to endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum WebhookEvent {
    #[serde(rename = "session.created")]
    SessionCreated,
    #[serde(rename = "session.ended")]
    SessionEnded,
    #[serde(rename = "session.expired")]
    SessionExpired,
    /// A message of a user or an agent.
    #[serde(rename = "message.created")]
    MessageCreated,
}

impl WebhookEvent {
    pub const ALL: [Self; 4] = [Self::SessionCreated, Self::SessionEnded, Self::SessionExpired, Self::MessageCreated];

    /// The events of an endpoint that names none: those without what users write.
    pub const DEFAULT: [Self; 2] = [Self::SessionCreated, Self::SessionEnded];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SessionCreated => "session.created",
            Self::SessionEnded => "session.ended",
            Self::SessionExpired => "session.expired",
            Self::MessageCreated => "message.created",
        }
    }
}

/// What an endpoint receives: these events, of the sessions of these dialects. Both are sorted, without repetitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    events: Vec<WebhookEvent>,
    dialects: Vec<DialectName>,
}

impl Subscription {
    #[must_use]
    pub fn new(mut events: Vec<WebhookEvent>, mut dialects: Vec<DialectName>) -> Self {
        events.sort_unstable();
        events.dedup();
        dialects.sort_unstable();
        dialects.dedup();
        Self { events, dialects }
    }

    /// Returns the subscription of a row. What a later version wrote is left out.
    #[must_use]
    pub fn stored(events: &[String], dialects: &[i16]) -> Self {
        let events = events.iter().filter_map(|event| event.parse().ok()).collect();
        Self::new(events, dialects.iter().filter_map(|code| DialectName::from_code(*code)).collect())
    }

    #[must_use]
    pub fn events(&self) -> &[WebhookEvent] {
        &self.events
    }

    #[must_use]
    pub fn dialects(&self) -> &[DialectName] {
        &self.dialects
    }

    /// Returns the names of the events, as they are stored.
    #[must_use]
    pub fn event_names(&self) -> Vec<String> {
        self.events.iter().map(WebhookEvent::to_string).collect()
    }

    /// Returns the codes of the dialects, as they are stored.
    #[must_use]
    pub fn dialect_codes(&self) -> Vec<i16> {
        self.dialects.iter().map(|dialect| dialect.code()).collect()
    }

    #[must_use]
    pub fn has(&self, event: WebhookEvent, dialect: DialectName) -> bool {
        self.events.contains(&event) && self.dialects.contains(&dialect)
    }

    /// Returns whether it has sessions whose changes are in the feed only while their organization is followed.
    #[must_use]
    pub fn needs_follower(&self) -> bool {
        self.dialects.iter().any(|dialect| *dialect != DialectName::WITH_FEED)
    }

    /// Returns the dialects whose expiries it has.
    #[must_use]
    pub fn expiring_dialects(&self) -> Vec<DialectName> {
        let has = |dialect: &DialectName| dialect.has_expiry() && self.has(WebhookEvent::SessionExpired, *dialect);
        self.dialects.iter().copied().filter(has).collect()
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
#[error("no such event; it is one of session.created, session.ended, session.expired, message.created")]
pub struct UnknownEvent;

/// Seconds between a failed attempt and the next, as Svix publishes them. The last one is repeated.
const PAUSES: [i64; 7] = [5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 10 * 3_600];
/// How long a delivery is attempted after it was queued: the vendor's 24 hours, which shorten the last pauses.
pub const TRIED_FOR: TimeDelta = TimeDelta::hours(24);

/// Limit of how long a `Retry-After` delays the other deliveries to an endpoint. A delivery is given up only this long
/// after its 24 hours, so that each still has its last attempt.
pub const PAUSE_LIMIT: TimeDelta = TimeDelta::hours(1);
/// From the second attempt on, the shortest pause for an endpoint that asks for less, in seconds.
const SHORTEST_PAUSE: i64 = 60;

/// Returns when to try again after the `attempts`-th attempt, counted from 1, has failed, or `None` if there are no
/// more attempts.
///
/// `asked` is the time of the endpoint's `Retry-After`. It replaces the usual pause, whether it is longer or shorter.
/// Only the time limits the attempts, because attempts with a lost outcome also count and must not use them up.
#[must_use]
pub fn next_attempt(
    attempts: u32,
    queued_at: Timestamp,
    now: Timestamp,
    asked: Option<Timestamp>,
) -> Option<Timestamp> {
    let end = queued_at + TRIED_FOR;
    let [.., last] = PAUSES;
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(index).copied().unwrap_or(last);
    let next = match asked {
        Some(asked) => asked.max(now + TimeDelta::seconds(pause.min(SHORTEST_PAUSE))),
        None => now + TimeDelta::seconds(pause),
    };
    (now < end).then(|| end.min(next))
}

/// Returns the time of a `Retry-After`: a number of seconds from now, or a date in one of HTTP's three formats (RFC
/// 9110, section 10.2.3). A past time is returned as `now`, and one beyond the calendar as the calendar's end. Returns
/// `None` for any other text.
#[must_use]
pub fn retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse::<i64>().ok().and_then(TimeDelta::try_seconds);
        let at = seconds.and_then(|seconds| now.checked_add_signed(seconds));
        return Some(at.unwrap_or(Timestamp::MAX_UTC));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from(date).max(now))
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
        while let Some(next) = next_attempt(u32::try_from(tried.len()).unwrap(), queued, now, None) {
            now = next;
            tried.push((now - queued).num_seconds());
        }
        assert_eq!(tried, [0, 5, 305, 2_105, 9_305, 27_305, 63_305, 86_400]);
    }

    proptest! {
        #[test]
        fn time_alone_ends_it_and_no_attempt_is_put_past_the_day_or_into_the_past(
            attempts: u32,
            late in 0i64..200_000,
            asked in prop::option::of(-200_000i64..400_000),
        ) {
            let queued = DateTime::UNIX_EPOCH;
            let now = queued + TimeDelta::seconds(late);
            let asked = asked.map(|asked| now + TimeDelta::seconds(asked));
            match next_attempt(attempts, queued, now, asked) {
                Some(next) => prop_assert!(next > now && next <= queued + TRIED_FOR),
                None => prop_assert!(now >= queued + TRIED_FOR),
            }
        }
    }

    #[test]
    fn an_endpoint_says_when() {
        let queued = DateTime::UNIX_EPOCH;
        let after = |attempts, seconds| {
            let next = next_attempt(attempts, queued, queued, Some(queued + TimeDelta::seconds(seconds)));
            next.map(|next| (next - queued).num_seconds())
        };
        assert_eq!([after(1, 0), after(1, 5), after(1, 6), after(1, 3_600)], [Some(5), Some(5), Some(6), Some(3_600)]);
        // Earlier than the usual half an hour, but not as often as every second.
        assert_eq!([after(3, 1), after(3, 60), after(3, 90)], [Some(60), Some(60), Some(90)]);
        assert_eq!(after(1, 1_000_000), Some(86_400));
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = DateTime::from_timestamp(784_111_777, 0).unwrap();
        let read = |text| retry_after(text, now).map(|at| (at - now).num_seconds());
        for (text, seconds) in [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("Sun, 06 Nov 1994 08:51:37 GMT", 120),
            ("Sunday, 06-Nov-94 08:51:37 GMT", 120),
            ("Sun Nov  6 08:51:37 1994", 120),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ] {
            assert_eq!(read(text), Some(seconds), "{text}");
        }
        for text in ["", "-1", "1.5", "+3", "soon", "1e3", "06 Nov 1994", "١"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(retry_after("99999999999999999999999", now), Some(Timestamp::MAX_UTC));
        assert_eq!(retry_after("9223372036854775", now), Some(Timestamp::MAX_UTC));
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_reader(text in "[0-9]{1,30}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT|.{0,30}") {
            let now = DateTime::UNIX_EPOCH;
            prop_assert!(retry_after(&text, now).is_none_or(|at| at >= now));
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

    #[test]
    fn only_some_sessions_expire_and_only_some_need_a_follower() {
        let of = |event, dialect| Subscription::new(vec![event], vec![dialect]);
        for dialect in DialectName::ALL {
            let expired = of(WebhookEvent::SessionExpired, dialect);
            let expires = [DialectName::Agntix, DialectName::AgentKey, DialectName::Messaging].contains(&dialect);
            assert_eq!(!expired.expiring_dialects().is_empty(), expires, "{dialect}");
            assert!(of(WebhookEvent::SessionEnded, dialect).expiring_dialects().is_empty(), "{dialect}");
            assert_eq!(expired.needs_follower(), dialect != DialectName::Agntix, "{dialect}");
        }
        let events = ["message.created".to_owned(), "session.merged".to_owned()];
        let stored = Subscription::stored(&events, &[4, 2, 4, 99]);
        assert_eq!(stored.events(), [WebhookEvent::MessageCreated]);
        assert_eq!(stored.dialects(), [DialectName::Agntix, DialectName::Messaging]);
    }
}
