//! Limits the bytes of large responses that an organization may read. Building them uses the processor of this service
//! and of Postgres, and the number of requests does not limit their size. The limits apply per replica.
//!
//! A response is counted after it is built, when its size is known, so a request is rejected only because of earlier
//! ones.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use chrono::TimeDelta;
use futures::{StreamExt, stream};
use http::{HeaderMap, header};

use super::event_stream;
use super::rate_status::RateStatus;
use crate::domain::{Clock, OrgId, Timestamp};

/// Responses with fewer bytes are not counted, because the number of requests already limits them: 3,000 per minute.
const COUNTED_FROM: usize = 16 * 1024;
/// The longest time that an organization waits, however much it has read.
const MAX_WAIT: TimeDelta = TimeDelta::seconds(60);
/// A client that recently read a response of this size is assumed to read more of them. Their size is not known before
/// they are built.
const LARGE: usize = 256 * 1024;
/// How long that is assumed.
const LATELY: TimeDelta = TimeDelta::seconds(10);
/// Number of stored organizations and readers at which unneeded ones are removed.
const CLEAN_UP_AT: usize = 1_024;

/// The rate at which an organization may read.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLimits {
    pub bytes_per_second: u32,
    /// Bytes that may be read at once after a pause.
    pub burst: u32,
}

impl Default for ResponseLimits {
    /// Sixteen of the largest pages at once, then two per second.
    fn default() -> Self {
        Self { bytes_per_second: 8 * 1024 * 1024, burst: 64 * 1024 * 1024 }
    }
}

/// The response bytes of one replica; by default without limits. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct ResponseRate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` if limits are off.
    limits: Option<ResponseLimits>,
    clock: Clock,
    /// When each organization has paid for what it has read. An organization without an entry owes nothing.
    paid_at: RwLock<HashMap<OrgId, Timestamp>>,
    /// Until when each client counts as a reader of large responses, by the hash of its credentials.
    large_readers: RwLock<HashMap<u64, Timestamp>>,
    hasher: RandomState,
}

/// A client, before it is authenticated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// `None` if limits are off or there are no credentials.
    credentials: Option<u64>,
    reads_large: bool,
}

impl Reader {
    /// Returns whether the client has recently read large responses.
    #[must_use]
    pub fn reads_large(&self) -> bool {
        self.reads_large
    }
}

impl ResponseRate {
    #[must_use]
    pub fn new(limits: Option<ResponseLimits>, clock: Clock) -> Self {
        Self(Arc::new(Inner { limits, clock, ..Inner::default() }))
    }

    /// Returns the client with these credentials.
    #[must_use]
    pub fn reader(&self, headers: &HeaderMap) -> Reader {
        let Inner { limits, clock, large_readers, hasher, .. } = &*self.0;
        let credentials = (headers.get("x-api-key"), headers.get(header::AUTHORIZATION));
        if limits.is_none() || credentials == (None, None) {
            return Reader::default();
        }
        let credentials = hasher.hash_one(credentials);
        let large_readers = large_readers.read().unwrap_or_else(PoisonError::into_inner);
        let until = if large_readers.is_empty() { None } else { large_readers.get(&credentials) };
        let reads_large = until.is_some_and(|until| *until > clock.now());
        Reader { credentials: Some(credentials), reads_large }
    }

    /// Checks whether an organization may read more.
    ///
    /// # Errors
    /// The status of an organization that has read more than its rate and its burst allow, with the time until it may
    /// read again.
    pub fn check(&self, org: OrgId) -> Result<(), RateStatus> {
        let Some((limits, wait)) = self.wait(org) else { return Ok(()) };
        let resets_in = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        let resets_at = self.0.clock.now() + wait;
        Err(RateStatus { limit: limits.bytes_per_second.saturating_mul(60), remaining: 0, resets_in, resets_at })
    }

    /// Counts a large response. A body of unknown size is counted as the client reads it, and waits while the
    /// organization exceeds its rate.
    pub fn count_response(&self, org: OrgId, reader: &Reader, response: Response) -> Response {
        if self.0.limits.is_none() {
            return response;
        }
        if let Some(bytes) = response.body().size_hint().exact() {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            if bytes >= COUNTED_FROM {
                self.count(org, bytes);
            }
            if bytes >= LARGE {
                self.has_read_large(reader);
            }
            return response;
        }
        // Events are few and small, and a reply must not wait because of what a dashboard has read.
        let content_type = response.headers().get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        if content_type.is_some_and(|value| value.starts_with(event_stream::CONTENT_TYPE.as_bytes())) {
            return response;
        }
        let (head, body) = response.into_parts();
        let pieces = stream::unfold((self.clone(), body.into_data_stream()), move |(rate, mut pieces)| async move {
            if let Some((_, wait)) = rate.wait(org) {
                tokio::time::sleep(wait).await;
            }
            let piece = pieces.next().await?;
            if let Ok(bytes) = &piece {
                rate.count(org, bytes.len());
            }
            Some((piece, (rate, pieces)))
        });
        Response::from_parts(head, Body::from_stream(pieces))
    }

    fn has_read_large(&self, reader: &Reader) {
        let Some(credentials) = reader.credentials else { return };
        let now = self.0.clock.now();
        let mut readers = self.0.large_readers.write().unwrap_or_else(PoisonError::into_inner);
        if readers.len() >= CLEAN_UP_AT {
            readers.retain(|_, until| *until > now);
        }
        // Readers beyond the limit are not recorded.
        if readers.len() < CLEAN_UP_AT {
            readers.insert(credentials, now + LATELY);
        }
    }

    fn count(&self, org: OrgId, bytes: usize) {
        let Some(limits) = self.0.limits else { return };
        let now = self.0.clock.now();
        let nanoseconds = bytes as u64 * 1_000_000_000 / u64::from(limits.bytes_per_second.max(1));
        let cost = TimeDelta::nanoseconds(i64::try_from(nanoseconds).unwrap_or(i64::MAX));
        let mut paid_at = self.0.paid_at.write().unwrap_or_else(PoisonError::into_inner);
        if paid_at.len() >= CLEAN_UP_AT {
            paid_at.retain(|_, at| *at > now);
        }
        let at = paid_at.entry(org).or_insert(now);
        *at = ((*at).max(now) + cost).min(now + limits.burst_time() + MAX_WAIT);
    }

    /// Returns how long an organization has to wait, or `None` if it may read now.
    fn wait(&self, org: OrgId) -> Option<(ResponseLimits, Duration)> {
        let limits = self.0.limits?;
        let paid_at = *self.0.paid_at.read().unwrap_or_else(PoisonError::into_inner).get(&org)?;
        let wait = (paid_at - self.0.clock.now() - limits.burst_time()).min(MAX_WAIT).to_std().ok()?;
        (!wait.is_zero()).then_some((limits, wait))
    }
}

impl ResponseLimits {
    /// Returns how long it takes to pay for a burst.
    fn burst_time(self) -> TimeDelta {
        TimeDelta::milliseconds(i64::from(self.burst) * 1_000 / i64::from(self.bytes_per_second.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    const LIMITS: ResponseLimits = ResponseLimits { bytes_per_second: 1024 * 1024, burst: 4 * 1024 * 1024 };
    const ONE: OrgId = OrgId(Uuid::from_u128(1));
    const OTHER: OrgId = OrgId(Uuid::from_u128(2));

    fn rate() -> (ResponseRate, Clock) {
        let clock = Clock::manual(DateTime::UNIX_EPOCH);
        (ResponseRate::new(Some(LIMITS), clock.clone()), clock)
    }

    fn read(rate: &ResponseRate, org: OrgId, bytes: usize) {
        rate.count_response(org, &Reader::default(), Response::new(Body::from(vec![0; bytes])));
    }

    #[test]
    fn who_read_more_than_a_burst_waits_until_it_is_paid_for() {
        let (rate, clock) = rate();
        for _ in 0..4 {
            assert_eq!(rate.check(ONE), Ok(()));
            read(&rate, ONE, 1024 * 1024);
        }
        assert_eq!(rate.check(ONE), Ok(()), "exactly the burst");
        read(&rate, ONE, 1024 * 1024);
        let over = rate.check(ONE).unwrap_err();
        assert_eq!((over.remaining, over.resets_in, over.limit), (0, 1, 60 * 1024 * 1024));
        assert_eq!(rate.check(OTHER), Ok(()));
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(rate.check(ONE), Ok(()));
    }

    #[test]
    fn however_much_was_read_the_wait_ends() {
        let (rate, clock) = rate();
        for _ in 0..200 {
            read(&rate, ONE, 4 * 1024 * 1024);
        }
        assert_eq!(rate.check(ONE).unwrap_err().resets_in, 60);
        clock.advance(MAX_WAIT);
        assert_eq!(rate.check(ONE), Ok(()));
        clock.advance(TimeDelta::seconds(-3_600));
        assert_eq!(rate.check(ONE).unwrap_err().resets_in, 60, "a clock that was set back");
    }

    #[test]
    fn small_responses_are_not_counted_and_the_stored_organizations_are_few() {
        let (rate, clock) = rate();
        for _ in 0..1_000 {
            read(&rate, ONE, COUNTED_FROM - 1);
        }
        assert!(rate.0.paid_at.read().unwrap().is_empty());
        for org in 0..5_000 {
            read(&rate, OrgId(Uuid::from_u128(org)), COUNTED_FROM);
            clock.advance(TimeDelta::seconds(1));
        }
        assert!(rate.0.paid_at.read().unwrap().len() <= CLEAN_UP_AT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_download_goes_on_at_the_rate() {
        // The clock of the rate does not move, so each piece beyond the burst waits for what is owed then.
        let (rate, _clock) = rate();
        let pieces = stream::iter((0..6).map(|_| Ok::<_, std::io::Error>(vec![0; 1024 * 1024])));
        let body = rate.count_response(ONE, &Reader::default(), Response::new(Body::from_stream(pieces))).into_body();
        let began = tokio::time::Instant::now();
        let read = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        assert_eq!(read.len(), 6 * 1024 * 1024);
        // The sixth piece and the end wait for one and for two megabytes.
        assert_eq!(began.elapsed().as_secs(), 3);
    }

    #[test]
    fn a_client_that_reads_large_responses_is_known_by_its_credentials_for_a_while() {
        let (rate, clock) = rate();
        let headers =
            |key: &'static str| HeaderMap::from_iter([(header::AUTHORIZATION, http::HeaderValue::from_static(key))]);
        let read = |key, bytes: usize| {
            let reader = rate.reader(&headers(key));
            rate.count_response(ONE, &reader, Response::new(Body::from(vec![0; bytes])));
        };
        read("one", LARGE);
        read("two", LARGE - 1);
        assert!(rate.reader(&headers("one")).reads_large());
        assert!(!rate.reader(&headers("two")).reads_large());
        assert!(!rate.reader(&HeaderMap::new()).reads_large());
        clock.advance(LATELY);
        assert!(!rate.reader(&headers("one")).reads_large());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let rate = ResponseRate::new(None, Clock::system());
        read(&rate, ONE, 1024 * 1024 * 1024 / 8);
        assert_eq!(rate.check(ONE), Ok(()));
    }
}
