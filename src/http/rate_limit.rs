//! Rate limits of requests: GCRA per credential and class of request, and per organization and class, by the `governor`
//! crate. The limit of an organization is for all of its keys and tokens together, so that more of them do not multiply
//! it. Callers without a credential of their own do not count towards it, because they could use it up for the others.
//!
//! Limits are per minute and may be used up at once. They apply per replica.

mod applied;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter as Limiter};
use governor::{clock::Clock as _, clock::DefaultClock, nanos::Nanos};
use moka::sync::Cache;
use uuid::Uuid;

use super::byte_rate::ByteRate;
use super::lookups::Lookups;
use super::network::{Network, SLASH_56_FACTOR};
use super::rate_status::RateStatus;
use super::response_rate::{ResponseLimits, ResponseRate};
use crate::domain::{Clock, Credential, OrgId, Organization, RateLimits};

pub use applied::{AppliedLimits, PerMinute};

/// The kind of work of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Capture,
    Write,
    Read,
}

/// Default limits, per credential and minute.
pub const CAPTURES: NonZeroU32 = NonZeroU32::new(6_000).expect("not zero");
pub const WRITES: NonZeroU32 = NonZeroU32::new(1_200).expect("not zero");
pub const READS: NonZeroU32 = NonZeroU32::new(3_000).expect("not zero");
/// How many times a credential's limit all credentials of an organization have together, unless set otherwise.
pub const TOTAL_FACTOR: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// Limit per client address for requests with only `x-org-id` or no credential. All addresses of an IPv6 /64 count as
/// one, and a /56 has four times the limit.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(1_200).expect("not zero");
/// Limit of the counted callers, about 20 MB. Beyond it the least active callers are forgotten, because a client with
/// so many addresses has as many full limits anyway.
const MAX_COUNTED: u64 = 100_000;
/// After a minute without a call a caller has its full limit again and is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The key of a count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Caller {
    class: Class,
    per_minute: NonZeroU32,
    org: OrgId,
    /// `None` for all credentials of the organization together.
    credential: Option<Credential>,
    /// Users of a public credential are distinguished by their network.
    network: Option<Network>,
}

/// The counts of all limiters, in one bounded cache.
#[derive(Clone)]
struct Counts(Cache<Caller, Arc<InMemoryState>>);

impl StateStore for Counts {
    type Key = Caller;

    fn measure_and_replace<T, F, E>(&self, key: &Caller, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let state = self.0.get(key).unwrap_or_else(|| self.0.get_with(key.clone(), Arc::default));
        state.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

/// The limits of one organization.
#[derive(Clone, Copy, Debug)]
pub struct OrgLimits {
    pub id: OrgId,
    /// Those of each credential.
    pub each: RateLimits,
    /// Those of all credentials together.
    pub total: RateLimits,
}

impl OrgLimits {
    const DEFAULT: RateLimits = RateLimits { capture: None, writes: None, reads: None };
    /// Those of callers whose organization is not known.
    const UNKNOWN: Self = Self { id: OrgId(Uuid::nil()), each: Self::DEFAULT, total: Self::DEFAULT };
}

impl From<&Organization> for OrgLimits {
    fn from(organization: &Organization) -> Self {
        let Organization { id, rate_limits, total_rate_limits, .. } = organization;
        Self { id: *id, each: *rate_limits, total: *total_rate_limits }
    }
}

type Keyed = Limiter<Caller, Counts, DefaultClock, StateInformationMiddleware>;

/// All limits of one replica.
pub struct RateLimiter {
    /// Limits of the bytes that callers may send without a credential of their own.
    pub bytes: ByteRate,
    /// Limits of the bytes of large responses that an organization may read.
    pub responses: ResponseRate,
    on: bool,
    clock: Clock,
    per_address: NonZeroU32,
    total_factor: NonZeroU32,
    /// One limiter per limit in use: as many as operators have set.
    limiters: RwLock<HashMap<NonZeroU32, Arc<Keyed>>>,
    counts: Counts,
    lookups: Lookups,
}

impl RateLimiter {
    #[must_use]
    pub fn new(on: bool, clock: Clock) -> Self {
        let counts = Counts(Cache::builder().max_capacity(MAX_COUNTED).time_to_idle(FORGET_AFTER).build());
        let lookups = Lookups::new(on, clock.clone());
        let bytes = ByteRate::new(on, clock.clone());
        let responses = ResponseRate::new(on.then(ResponseLimits::default), clock.clone());
        Self {
            bytes,
            responses,
            on,
            clock,
            per_address: PER_ADDRESS,
            total_factor: TOTAL_FACTOR,
            limiters: RwLock::default(),
            counts,
            lookups,
        }
    }

    /// Returns whether requests are limited.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Returns the same limits, where all credentials of an organization together have `factor` times a credential's.
    #[must_use]
    pub fn with_total_factor(self, factor: NonZeroU32) -> Self {
        Self { total_factor: factor, ..self }
    }

    /// Returns the limit of look-ups for credentials that may be invented.
    #[must_use]
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// Returns the same limits, with another limit per client address.
    #[must_use]
    pub fn with_per_address(self, per_address: NonZeroU32) -> Self {
        Self { per_address, ..self }
    }

    /// Returns the same limits, with another rate of response bytes.
    #[must_use]
    pub fn with_responses(self, limits: ResponseLimits) -> Self {
        Self { responses: ResponseRate::new(Some(limits), self.clock.clone()), ..self }
    }

    /// Counts one request by its client address, before the organization is known. A client that invents organizations
    /// reaches this limit, and learns nothing from it.
    ///
    /// # Errors
    /// The status of a caller over the limit.
    pub fn count_stranger(&self, class: Class, address: Option<IpAddr>) -> Result<Option<RateStatus>, RateStatus> {
        self.count(class, &OrgLimits::UNKNOWN, &Credential::Anonymous, address)
    }

    /// Counts one request. Returns `None` when limits are off, else the status of the limit with the smaller remainder.
    ///
    /// # Errors
    /// The status of a caller over the limit, or of an organization over its own.
    pub fn count(
        &self,
        class: Class,
        org: &OrgLimits,
        credential: &Credential,
        address: Option<IpAddr>,
    ) -> Result<Option<RateStatus>, RateStatus> {
        if !self.on {
            return Ok(None);
        }
        let public = matches!(credential, Credential::OrgHeader | Credential::Anonymous);
        let (own, total, default) = match class {
            Class::Capture => (org.each.capture, org.total.capture, CAPTURES),
            Class::Write => (org.each.writes, org.total.writes, WRITES),
            Class::Read => (org.each.reads, org.total.reads, READS),
        };
        let per_minute = own.unwrap_or(if public { self.per_address } else { default });
        let network = address.filter(|_| public).map(Network::of);
        let caller = Caller { class, per_minute, org: org.id, credential: Some(credential.clone()), network };
        let status = self.check(&caller)?;
        if !public {
            // After the credential's own, so that one over its limit uses nothing of the others'.
            let per_minute = total.unwrap_or(per_minute.saturating_mul(self.total_factor));
            let total = self.check(&Caller { per_minute, credential: None, ..caller })?;
            return Ok(Some(if total.remaining < status.remaining { total } else { status }));
        }
        // The smaller network comes first, so that one over its limit uses nothing of the larger one.
        if let Some(around) = network.and_then(Network::around) {
            let per_minute = per_minute.saturating_mul(NonZeroU32::new(SLASH_56_FACTOR).unwrap_or(NonZeroU32::MIN));
            self.check(&Caller { per_minute, network: Some(around), ..caller })?;
        }
        Ok(Some(status))
    }

    fn check(&self, caller: &Caller) -> Result<RateStatus, RateStatus> {
        let per_minute = caller.per_minute;
        let full_interval = 60.0 / f64::from(per_minute.get());
        match self.limiter(per_minute).check_key(caller) {
            Ok(snapshot) => {
                let remaining = snapshot.remaining_burst_capacity();
                let spent = per_minute.get().saturating_sub(remaining);
                Ok(self.status(per_minute, remaining, f64::from(spent) * full_interval))
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

    fn limiter(&self, per_minute: NonZeroU32) -> Arc<Keyed> {
        let limiters = self.limiters.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = limiters.get(&per_minute) {
            return Arc::clone(limiter);
        }
        drop(limiters);
        let mut limiters = self.limiters.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(limiters.entry(per_minute).or_insert_with(|| {
            let plain = Limiter::new(Quota::per_minute(per_minute), self.counts.clone(), DefaultClock::default());
            Arc::new(Limiter::<_, _, _, governor::middleware::NoOpMiddleware>::with_middleware(plain))
        }))
    }

    /// Forgets senders with their full limit. Called regularly, because one client that sends from many addresses must
    /// not fill the memory.
    pub fn forget_idle(&self) {
        self.bytes.forget_idle();
    }

    /// Returns how many callers are counted, after evicting those beyond the limit.
    #[cfg(test)]
    fn counted(&self) -> u64 {
        self.counts.0.run_pending_tasks();
        self.counts.0.entry_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn org(each: RateLimits) -> OrgLimits {
        OrgLimits { id: OrgId(Uuid::from_u128(1)), each, total: RateLimits::default() }
    }

    #[test]
    fn a_limit_is_spent_per_credential_and_class() {
        let limiter = RateLimiter::new(true, Clock::system());
        let org = org(RateLimits { writes: NonZeroU32::new(2), ..RateLimits::default() });
        let jwt = |subject: &str| Credential::Jwt { subject: Some(subject.to_owned()), issuer: "i".to_owned() };
        let write = |who: &str| limiter.count(Class::Write, &org, &jwt(who), address(1));

        let first = write("ann").unwrap().unwrap();
        assert_eq!((first.limit, first.remaining, first.resets_in), (2, 1, 30));
        assert_eq!(write("ann").unwrap().unwrap().remaining, 0);
        let over = write("ann").unwrap_err();
        assert_eq!(over.remaining, 0);
        assert!((29..=30).contains(&over.resets_in));
        assert!(write("bob").is_ok());
        assert!(limiter.count(Class::Read, &org, &jwt("ann"), address(1)).is_ok());
    }

    #[test]
    fn public_credentials_are_counted_by_address() {
        let limiter = RateLimiter::new(true, Clock::system());
        let org = org(RateLimits { capture: NonZeroU32::new(1), ..RateLimits::default() });
        let capture = |last| limiter.count(Class::Capture, &org, &Credential::OrgHeader, address(last));
        assert!(capture(1).is_ok());
        assert!(capture(1).is_err());
        assert!(capture(2).is_ok());
    }

    #[test]
    fn many_credentials_have_a_limit_together() {
        let limiter = RateLimiter::new(true, Clock::system()).with_total_factor(NonZeroU32::new(2).unwrap());
        let key = |last: u128| Credential::ApiKey(crate::domain::KeyId(Uuid::from_u128(last)));
        let default = org(RateLimits { writes: NonZeroU32::new(3), ..RateLimits::default() });
        let write = |org: &OrgLimits, last| limiter.count(Class::Write, org, &key(last), address(1));
        let shown = |status: Result<Option<RateStatus>, RateStatus>| {
            status.map(|status| status.map(|status| (status.limit, status.remaining)))
        };
        assert_eq!(shown(write(&default, 1)), Ok(Some((3, 2))), "the key has the smaller remainder");
        for last in 2..=4 {
            assert!(write(&default, last).is_ok());
        }
        assert_eq!(shown(write(&default, 5)), Ok(Some((6, 1))), "the organization has the smaller remainder");
        assert!(write(&default, 6).is_ok());
        for last in 1..=9 {
            let over = write(&default, last).unwrap_err();
            assert_eq!((over.limit, over.remaining), (6, 0), "key {last}");
        }
        assert!(limiter.count(Class::Read, &default, &key(1), address(1)).is_ok(), "another class");
        let other = OrgLimits { id: OrgId(Uuid::from_u128(2)), ..default };
        assert!(write(&other, 1).is_ok(), "another organization");
        // Callers without a credential of their own neither use the limit nor feel it.
        assert!(limiter.count(Class::Write, &default, &Credential::OrgHeader, address(1)).is_ok());

        let total = RateLimits { writes: NonZeroU32::new(1), ..RateLimits::default() };
        let narrow = OrgLimits { id: OrgId(Uuid::from_u128(3)), total, ..default };
        assert_eq!(shown(write(&narrow, 1)), Ok(Some((1, 0))), "its own setting");
        assert!(write(&narrow, 2).is_err());
    }

    #[test]
    fn a_credential_over_its_limit_uses_nothing_of_the_others() {
        let limiter = RateLimiter::new(true, Clock::system()).with_total_factor(NonZeroU32::new(2).unwrap());
        let org = org(RateLimits { writes: NonZeroU32::new(2), ..RateLimits::default() });
        let write = |last: u128| {
            let key = Credential::ApiKey(crate::domain::KeyId(Uuid::from_u128(last)));
            limiter.count(Class::Write, &org, &key, None)
        };
        assert_eq!((0..20).filter(|_| write(1).is_ok()).count(), 2);
        assert_eq!((0..20).filter(|_| write(2).is_ok()).count(), 2);
        assert!(write(3).is_err());
    }

    fn stranger(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_ipv6_host_has_one_limit_and_its_site_four() {
        let limiter = RateLimiter::new(true, Clock::system()).with_per_address(NonZeroU32::new(2).unwrap());
        let ask = |text: &str| limiter.count_stranger(Class::Read, stranger(text)).is_ok();
        assert!(ask("2001:db8:0:1::1") && ask("2001:db8:0:1::2"));
        for last in 3..=20 {
            assert!(!ask(&format!("2001:db8:0:1::{last}")), "another address of the same /64");
        }
        // The rejected ones used nothing of the /56: six of its eight are left.
        let accepted = (2..=20).filter(|site| ask(&format!("2001:db8:0:{site:x}::1"))).count();
        assert_eq!(accepted, 6);
        assert!(ask("2001:db8:0:101::1"), "another /56");
        assert!(ask("192.0.2.1") && ask("::ffff:192.0.2.1") && !ask("192.0.2.1"), "one IPv4 address, written twice");
    }

    #[test]
    fn however_many_addresses_call_so_many_are_counted() {
        let limiter = RateLimiter::new(true, Clock::system());
        for address in 0..u32::try_from(MAX_COUNTED).unwrap() * 3 / 2 {
            let address = IpAddr::from(address.to_be_bytes());
            assert!(limiter.count_stranger(Class::Capture, Some(address)).is_ok());
        }
        assert!(limiter.counted() <= MAX_COUNTED, "{}", limiter.counted());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let limiter = RateLimiter::new(false, Clock::system());
        let org = org(RateLimits { reads: NonZeroU32::new(1), ..RateLimits::default() });
        for _ in 0..5 {
            let counted = limiter.count(Class::Read, &org, &Credential::Anonymous, None);
            assert_eq!(counted, Ok(None));
        }
    }
}
