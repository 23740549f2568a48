//! How often a credential may call: GCRA per credential and class of request, by the `governor` crate.
//!
//! Limits are per minute and may be spent at once. They hold per replica.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{DefaultKeyedRateLimiter, Quota, clock::DefaultClock};
use governor::{RateLimiter as Limiter, clock::Clock as _};
use uuid::Uuid;

use crate::domain::{Clock, Credential, OrgId, RateLimits, Timestamp};

/// What kind of work a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Capture,
    Write,
    Read,
}

/// The house's limits, per credential and minute.
const CAPTURES: NonZeroU32 = NonZeroU32::new(6_000).expect("not zero");
const WRITES: NonZeroU32 = NonZeroU32::new(1_200).expect("not zero");
const READS: NonZeroU32 = NonZeroU32::new(3_000).expect("not zero");
/// Per client address where `x-org-id` is all there is, or nothing at all.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(1_200).expect("not zero");

/// Where a caller's limit stands after this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStatus {
    pub limit: u32,
    pub remaining: u32,
    /// Seconds until a request is possible again (when none remain) or the full limit is (otherwise).
    pub resets_in: u32,
    pub resets_at: Timestamp,
}

/// Whom a limit counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Caller {
    org: OrgId,
    credential: Credential,
    /// Where the credential is public, those who use it are told apart by where they call from.
    address: Option<IpAddr>,
}

type Keyed = Limiter<Caller, DashMapStateStore<Caller>, DefaultClock, StateInformationMiddleware>;

/// All limits of one replica.
pub struct RateLimiter {
    on: bool,
    clock: Clock,
    per_address: NonZeroU32,
    /// One limiter per class and quota in use.
    limiters: RwLock<HashMap<(Class, NonZeroU32), Arc<Keyed>>>,
}

impl RateLimiter {
    #[must_use]
    pub fn new(on: bool, clock: Clock) -> Self {
        Self { on, clock, per_address: PER_ADDRESS, limiters: RwLock::default() }
    }

    /// The same, with another limit per client address.
    #[must_use]
    pub fn with_per_address(self, per_address: NonZeroU32) -> Self {
        Self { per_address, ..self }
    }

    /// Counts one request by its client address alone, before it is known which organization it is for, if any: who
    /// makes up names of organizations runs into this limit, and learns nothing from it.
    ///
    /// # Errors
    /// As for [`RateLimiter::count`].
    pub fn count_stranger(&self, class: Class, address: Option<IpAddr>) -> Result<Option<RateStatus>, RateStatus> {
        self.count(class, OrgId(Uuid::nil()), &RateLimits::default(), &Credential::Anonymous, address)
    }

    /// Counts one request. `None` when limits are off.
    ///
    /// # Errors
    /// The status of a caller who is over the limit.
    pub fn count(
        &self,
        class: Class,
        org: OrgId,
        own: &RateLimits,
        credential: &Credential,
        address: Option<IpAddr>,
    ) -> Result<Option<RateStatus>, RateStatus> {
        if !self.on {
            return Ok(None);
        }
        let public = matches!(credential, Credential::OrgHeader | Credential::Anonymous);
        let (own, house) = match class {
            Class::Capture => (own.capture, CAPTURES),
            Class::Write => (own.writes, WRITES),
            Class::Read => (own.reads, READS),
        };
        let per_minute = own.unwrap_or(if public { self.per_address } else { house });
        let caller = Caller { org, credential: credential.clone(), address: address.filter(|_| public) };
        let limiter = self.limiter(class, per_minute);
        let full_interval = 60.0 / f64::from(per_minute.get());
        match limiter.check_key(&caller) {
            Ok(snapshot) => {
                let remaining = snapshot.remaining_burst_capacity();
                let spent = per_minute.get().saturating_sub(remaining);
                Ok(Some(self.status(per_minute, remaining, f64::from(spent) * full_interval)))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(self.status(per_minute, 0, wait.as_secs_f64()))
            }
        }
    }

    fn status(&self, limit: NonZeroU32, remaining: u32, seconds: f64) -> RateStatus {
        let resets_in = seconds.ceil().max(1.0) as u32;
        let resets_at = self.clock.now() + Duration::from_secs(u64::from(resets_in));
        RateStatus { limit: limit.get(), remaining, resets_in, resets_at }
    }

    fn limiter(&self, class: Class, per_minute: NonZeroU32) -> Arc<Keyed> {
        let limiters = self.limiters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = limiters.get(&(class, per_minute)) {
            return Arc::clone(limiter);
        }
        drop(limiters);
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(limiters.entry((class, per_minute)).or_insert_with(|| {
            let plain: DefaultKeyedRateLimiter<Caller> = Limiter::keyed(Quota::per_minute(per_minute));
            Arc::new(plain.with_middleware())
        }))
    }

    /// Forgets callers who have their full limit again. To be called now and then: whoever calls from many addresses
    /// must not fill the memory.
    pub fn forget_idle(&self) {
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        for limiter in limiters.values() {
            limiter.retain_recent();
        }
        limiters.retain(|_, limiter| !limiter.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_limit_is_spent_per_credential_and_class() {
        let limiter = RateLimiter::new(true, Clock::system());
        let org = OrgId(Uuid::from_u128(1));
        let own = RateLimits { writes: NonZeroU32::new(2), ..RateLimits::default() };
        let jwt = |subject: &str| Credential::Jwt { subject: Some(subject.to_owned()) };
        let write = |who: &str| limiter.count(Class::Write, org, &own, &jwt(who), address(1));

        let first = write("ann").unwrap().unwrap();
        assert_eq!((first.limit, first.remaining, first.resets_in), (2, 1, 30));
        assert_eq!(write("ann").unwrap().unwrap().remaining, 0);
        let over = write("ann").unwrap_err();
        assert_eq!(over.remaining, 0);
        assert!((29..=30).contains(&over.resets_in));
        assert!(write("bob").is_ok());
        assert!(limiter.count(Class::Read, org, &own, &jwt("ann"), address(1)).is_ok());
    }

    #[test]
    fn public_credentials_are_counted_by_address() {
        let limiter = RateLimiter::new(true, Clock::system());
        let org = OrgId(Uuid::from_u128(1));
        let own = RateLimits { capture: NonZeroU32::new(1), ..RateLimits::default() };
        let capture = |last| limiter.count(Class::Capture, org, &own, &Credential::OrgHeader, address(last));
        assert!(capture(1).is_ok());
        assert!(capture(1).is_err());
        assert!(capture(2).is_ok());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let limiter = RateLimiter::new(false, Clock::system());
        let own = RateLimits { reads: NonZeroU32::new(1), ..RateLimits::default() };
        for _ in 0..5 {
            let counted = limiter.count(Class::Read, OrgId(Uuid::nil()), &own, &Credential::Anonymous, None);
            assert_eq!(counted, Ok(None));
        }
    }
}
