//! Limits the bytes per minute of callers with only an organization's public id: GCRA per client network and
//! organization, by the `governor` crate. The limits apply per replica.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter as Limiter};

use super::network::{Network, SLASH_56_FACTOR};
use super::rate_status::RateStatus;
use crate::domain::{Clock, OrgId};

/// Limit of the bytes of one body from a caller with only `x-org-id`.
pub const PUBLIC_BODY_LIMIT: usize = 256 * 1024;
/// Bytes per minute that such callers may send from one address to one organization: 64 of the largest bodies.
const PUBLIC_SENT: NonZeroU32 = NonZeroU32::new(16 * 1024 * 1024).expect("not zero");
/// Bytes per minute that may be stored for them. This is more than they may send, because a compressed export is
/// unpacked, and data that its spans share is stored with each of them.
const PUBLIC_STORED: NonZeroU32 = NonZeroU32::new(64 * 1024 * 1024).expect("not zero");

/// The key of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sender {
    org: OrgId,
    network: Option<Network>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteKind {
    Sent,
    Stored,
}

/// The limits of one replica.
pub struct ByteRate {
    on: bool,
    clock: Clock,
    sent: Limits,
    stored: Limits,
}

/// One limit of bytes a minute.
struct Limits {
    per_minute: NonZeroU32,
    networks: DefaultKeyedRateLimiter<Sender>,
    /// The /56 around each /64, with [`SLASH_56_FACTOR`] times the limit.
    around: DefaultKeyedRateLimiter<Sender>,
}

impl Limits {
    fn new(per_minute: NonZeroU32) -> Self {
        let factor = NonZeroU32::new(SLASH_56_FACTOR).unwrap_or(NonZeroU32::MIN);
        let limiter = |quota| Limiter::keyed(Quota::per_minute(quota));
        Self { per_minute, networks: limiter(per_minute), around: limiter(per_minute.saturating_mul(factor)) }
    }

    /// # Errors
    /// How long to wait until the bytes are not too many.
    fn check(&self, sender: Sender, bytes: NonZeroU32) -> Result<(), Duration> {
        let check = |limiter: &DefaultKeyedRateLimiter<Sender>, sender| match limiter.check_key_n(&sender, bytes) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(not_until.wait_time_from(DefaultClock::default().now())),
            // More than a minute's worth at once: never.
            Err(_) => Err(Duration::from_secs(60)),
        };
        // The smaller network comes first: one that is over its limit spends nothing of the others around it.
        check(&self.networks, sender)?;
        match sender.network.and_then(Network::around) {
            Some(around) => check(&self.around, Sender { network: Some(around), ..sender }),
            None => Ok(()),
        }
    }
}

impl ByteRate {
    #[must_use]
    pub fn new(on: bool, clock: Clock) -> Self {
        Self { on, clock, sent: Limits::new(PUBLIC_SENT), stored: Limits::new(PUBLIC_STORED) }
    }

    /// Counts this many bytes, all of them or none.
    ///
    /// # Errors
    /// The status of a caller that exceeds the limit, with the time until the bytes would be accepted.
    pub fn count(&self, what: ByteKind, org: OrgId, address: Option<IpAddr>, bytes: usize) -> Result<(), RateStatus> {
        let Some(bytes) = u32::try_from(bytes).map_or(Some(NonZeroU32::MAX), NonZeroU32::new) else { return Ok(()) };
        if !self.on {
            return Ok(());
        }
        let limits = match what {
            ByteKind::Sent => &self.sent,
            ByteKind::Stored => &self.stored,
        };
        let Err(wait) = limits.check(Sender { org, network: address.map(Network::of) }, bytes) else { return Ok(()) };
        let resets_in = wait.as_secs_f64().ceil().max(1.0) as u32;
        let resets_at = self.clock.now() + Duration::from_secs(u64::from(resets_in));
        Err(RateStatus { limit: limits.per_minute.get(), remaining: 0, resets_in, resets_at })
    }

    /// Removes callers that have their full limit again.
    pub fn forget_idle(&self) {
        for limiter in [&self.sent.networks, &self.sent.around, &self.stored.networks, &self.stored.around] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn bytes_are_counted_per_network_and_organization() {
        let rate = ByteRate::new(true, Clock::system());
        let sent = |org, from| rate.count(ByteKind::Sent, org, address(from), PUBLIC_SENT.get() as usize / 4 * 3);
        assert_eq!(sent(ORG, "2001:db8::1"), Ok(()));
        let over = sent(ORG, "2001:db8::2").unwrap_err();
        assert_eq!((over.limit, over.remaining), (PUBLIC_SENT.get(), 0));
        assert!((1..=60).contains(&over.resets_in));
        assert_eq!(sent(ORG, "2001:db8:0:1::1"), Ok(()));
        assert_eq!(sent(ORG, "192.0.2.1"), Ok(()));
        assert_eq!(sent(OrgId(Uuid::from_u128(2)), "2001:db8::1"), Ok(()));
        assert_eq!(rate.count(ByteKind::Stored, ORG, address("2001:db8::1"), PUBLIC_STORED.get() as usize), Ok(()));
    }

    #[test]
    fn all_networks_of_one_customer_share_four_times_the_limit() {
        let rate = ByteRate::new(true, Clock::system());
        let sent = |from: String| rate.count(ByteKind::Sent, ORG, address(&from), PUBLIC_SENT.get() as usize).is_ok();
        let passed = (0..8).filter(|network| sent(format!("2001:db8:0:{network:x}::1"))).count();
        assert_eq!(passed, 4);
        assert!(sent("2001:db8:0:100::1".to_owned()), "another /56");
    }

    #[test]
    fn what_can_never_pass_does_not_and_costs_nothing() {
        let rate = ByteRate::new(true, Clock::system());
        for bytes in [PUBLIC_SENT.get() as usize + 1, usize::MAX] {
            assert_eq!(rate.count(ByteKind::Sent, ORG, None, bytes).unwrap_err().resets_in, 60);
        }
        assert_eq!(rate.count(ByteKind::Sent, ORG, None, 0), Ok(()));
        assert_eq!(rate.count(ByteKind::Sent, ORG, None, PUBLIC_SENT.get() as usize), Ok(()));
        assert!(rate.count(ByteKind::Sent, ORG, None, 1024 * 1024).is_err());
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let rate = ByteRate::new(false, Clock::system());
        assert_eq!(rate.count(ByteKind::Sent, ORG, None, usize::MAX), Ok(()));
    }
}
