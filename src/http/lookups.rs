//! Limits how many look-ups of invented credentials a client address may cause. They are counted before the database is
//! queried.
//!
//! A successful look-up costs its address nothing, so one address may use any number of keys. A credential that was
//! found within the last hour is not counted at all, so one client with a bad key does not lock out the others at the
//! same address. The limits are for look-ups without a result, and for those in flight.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::network::{Network, SLASH_56_FACTOR};
use super::rate_status::RateStatus;
use super::rejection::Rejection;
use crate::domain::{Clock, KeyHash, Timestamp};
use crate::store::StoreError;

/// Limit of look-ups without a result per address (IPv4, or an IPv6 /64) and minute. They may be used at once.
pub const MISSES_PER_MINUTE: u32 = 120;
/// Limit of look-ups in flight per address. A gateway with thousands of keys does not reach it.
pub const IN_FLIGHT: u32 = 256;
/// How long a credential that was found is looked up again without being counted.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// Limit of the known credentials: about 10 MB.
const MAX_KNOWN: u64 = 100_000;
/// Limit of the counted addresses: about 10 MB. Beyond it the least recently used ones are forgotten.
const MAX_COUNTED: u64 = 50_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What is looked up before the caller is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    Key(KeyHash),
    AccessToken(KeyHash),
    /// A login of the console, or a one-time link.
    ConsoleLogin(KeyHash),
    /// An organization, by a token's issuer and its external id.
    Organization(String, String),
}

/// The counts of one replica.
pub struct Lookups {
    on: bool,
    clock: Clock,
    known: Cache<Lookup, ()>,
    counted: Cache<Network, Arc<Mutex<Count>>>,
}

/// The look-ups of an address.
#[derive(Debug)]
struct Count {
    /// Look-ups without a result that still count; they decrease evenly over a minute.
    misses: f64,
    at: Timestamp,
    in_flight: u32,
}

/// A look-up in progress. One that is dropped before its end, for example because the client hangs up, counts as one
/// without a result, because the database was queried.
struct LookupPermit<'l> {
    clock: &'l Clock,
    taken: Vec<(Arc<Mutex<Count>>, u32)>,
}

/// The result of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Found,
    Nothing,
    Unknown,
}

impl Count {
    fn new(now: Timestamp) -> Self {
        Self { misses: 0.0, at: now, in_flight: 0 }
    }

    fn forgive(&mut self, limit: u32, now: Timestamp) {
        // A clock that was set back does not decrease the count.
        let passed = (now - self.at).as_seconds_f64().max(0.0);
        self.misses = (self.misses - passed * f64::from(limit) / MINUTE.as_secs_f64()).max(0.0);
        self.at = now;
    }

    /// Adds a look-up to those in flight, or returns the seconds until that is possible.
    fn take(&mut self, factor: u32, now: Timestamp) -> Result<(), f64> {
        let limit = MISSES_PER_MINUTE * factor;
        self.forgive(limit, now);
        let over = self.misses + 1.0 - f64::from(limit);
        if over > 0.0 {
            return Err(over * MINUTE.as_secs_f64() / f64::from(limit));
        }
        if self.in_flight >= IN_FLIGHT * factor {
            return Err(1.0);
        }
        self.in_flight += 1;
        Ok(())
    }
}

impl Lookups {
    #[must_use]
    pub fn new(on: bool, clock: Clock) -> Self {
        Self {
            on,
            clock,
            known: Cache::builder().max_capacity(MAX_KNOWN).time_to_idle(KNOWN_FOR).build(),
            // A count without additions for a minute is zero.
            counted: Cache::builder().max_capacity(MAX_COUNTED).time_to_idle(MINUTE).build(),
        }
    }

    /// Makes a look-up, if the address may cause one more. Without an address, for a request without a connection,
    /// nothing is counted.
    ///
    /// # Errors
    /// [`Rejection::RateLimited`] when the address has caused too many look-ups without a result; the errors of `look`.
    pub async fn counted<T>(
        &self,
        address: Option<IpAddr>,
        lookup: Lookup,
        look: impl Future<Output = Result<Option<T>, StoreError>>,
    ) -> Result<Option<T>, Rejection> {
        let Some(address) = address.filter(|_| self.on) else { return Ok(look.await?) };
        // Known for another hour, because a credential in use must not become unknown during an attack.
        if self.known.get(&lookup).is_some() {
            let found = look.await?;
            if found.is_none() {
                self.known.invalidate(&lookup);
            }
            return Ok(found);
        }
        let permit = self.permit(Network::of(address)).map_err(Rejection::RateLimited)?;
        match look.await {
            Ok(Some(found)) => {
                permit.end(Outcome::Found);
                self.known.insert(lookup, ());
                Ok(Some(found))
            }
            Ok(None) => {
                permit.end(Outcome::Nothing);
                Ok(None)
            }
            // The caller is not responsible for an unreachable database.
            Err(error) => {
                permit.end(Outcome::Unknown);
                Err(error.into())
            }
        }
    }

    fn permit(&self, network: Network) -> Result<LookupPermit<'_>, RateStatus> {
        let now = self.clock.now();
        let mut permit = LookupPermit { clock: &self.clock, taken: Vec::with_capacity(2) };
        for (network, factor) in
            [Some((network, 1)), network.around().map(|around| (around, SLASH_56_FACTOR))].into_iter().flatten()
        {
            let count = self.counted.get_with(network, || Arc::new(Mutex::new(Count::new(now))));
            let taken = count.lock().unwrap_or_else(PoisonError::into_inner).take(factor, now);
            match taken {
                Ok(()) => permit.taken.push((count, factor)),
                Err(seconds) => {
                    permit.end(Outcome::Unknown);
                    let resets_in = seconds.ceil().max(1.0) as u32;
                    let resets_at = self.clock.now() + Duration::from_secs(u64::from(resets_in));
                    return Err(RateStatus { limit: MISSES_PER_MINUTE * factor, remaining: 0, resets_in, resets_at });
                }
            }
        }
        Ok(permit)
    }
}

impl LookupPermit<'_> {
    fn end(mut self, outcome: Outcome) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Outcome) {
        let now = self.clock.now();
        for (count, factor) in self.taken.drain(..) {
            let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
            count.in_flight -= 1;
            if outcome == Outcome::Nothing {
                count.forgive(MISSES_PER_MINUTE * factor, now);
                count.misses += 1.0;
            }
        }
    }
}

impl Drop for LookupPermit<'_> {
    fn drop(&mut self) {
        self.settle(Outcome::Nothing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApiKey;
    use chrono::{DateTime, TimeDelta};
    use futures::FutureExt;
    use std::future::{pending, ready};

    fn clock() -> Clock {
        Clock::manual(DateTime::from_timestamp(1_777_453_200, 0).unwrap())
    }

    fn of(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn made_up(number: u32) -> Lookup {
        Lookup::Organization("issuer".to_owned(), number.to_string())
    }

    /// Returns how many of `asked` look-ups of an address are made. None of them has a result.
    fn made(lookups: &Lookups, address: &str, asked: u32) -> usize {
        let look = |number| lookups.counted(of(address), made_up(number), ready(Ok(None::<()>))).now_or_never();
        (0..asked).filter(|number| matches!(look(*number), Some(Ok(None)))).count()
    }

    #[test]
    fn misses_are_counted_per_network_and_forgiven_evenly() {
        let clock = clock();
        let lookups = Lookups::new(true, clock.clone());
        assert_eq!(made(&lookups, "192.0.2.1", 500), 120);
        assert_eq!(made(&lookups, "::ffff:192.0.2.1", 500), 0);
        assert_eq!(made(&lookups, "192.0.2.2", 500), 120);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(made(&lookups, "192.0.2.1", 500), 2);
        assert_eq!(made(&lookups, "2001:db8:0:1::1", 500), 120);
        assert_eq!(made(&lookups, "2001:db8:0:1::2", 500), 0);
        let others = (2..=20).map(|site| made(&lookups, &format!("2001:db8:0:{site:x}::1"), 500));
        assert_eq!(others.sum::<usize>(), 360, "four times as many in a /56");
        assert_eq!(made(&Lookups::new(false, clock), "192.0.2.1", 500), 500);
    }

    #[test]
    fn what_is_found_costs_nothing_and_what_was_found_is_never_kept_waiting() {
        let lookups = Lookups::new(true, clock());
        let find = |lookup| lookups.counted(of("192.0.2.1"), lookup, ready(Ok(Some(())))).now_or_never();
        for number in 0..500 {
            assert!(matches!(find(made_up(number)), Some(Ok(Some(())))));
        }
        let key = Lookup::Key(ApiKey::generate(&"pk".parse().unwrap(), &crate::domain::Mint::system()).hash());
        assert!(matches!(find(key.clone()), Some(Ok(Some(())))));
        // The names above are known by now; these are not.
        let missed = (1_000..1_500).filter(|number| {
            let look = lookups.counted(of("192.0.2.1"), made_up(*number), ready(Ok(None::<()>)));
            matches!(look.now_or_never(), Some(Ok(None)))
        });
        assert_eq!(missed.count(), 120);
        assert!(matches!(find(key.clone()), Some(Ok(Some(())))), "a known key is rejected for another's misses");
        assert!(matches!(find(made_up(2_000)), Some(Err(Rejection::RateLimited(_)))));
        // A credential that is not found any more becomes unknown.
        let gone = lookups.counted(of("192.0.2.1"), key.clone(), ready(Ok(None::<()>)));
        assert!(matches!(gone.now_or_never(), Some(Ok(None))));
        assert!(matches!(find(key), Some(Err(Rejection::RateLimited(_)))));
    }

    #[test]
    fn so_many_are_in_flight_and_those_that_are_given_up_count() {
        let lookups = Lookups::new(true, clock());
        let mut waiting = Vec::new();
        for number in 0..1_000 {
            let mut look =
                Box::pin(lookups.counted(of("192.0.2.1"), made_up(number), pending::<Result<Option<()>, _>>()));
            if look.as_mut().now_or_never().is_none() {
                waiting.push(look);
            }
        }
        assert_eq!(waiting.len(), 256);
        assert_eq!(made(&lookups, "192.0.2.1", 1), 0);
        drop(waiting);
        assert_eq!(made(&lookups, "192.0.2.1", 1), 0, "what was given up is not counted");
    }

    #[test]
    fn a_database_that_is_away_is_not_the_callers_doing() {
        let lookups = Lookups::new(true, clock());
        for number in 0..500 {
            let look =
                lookups.counted(of("192.0.2.1"), made_up(number), ready(Err::<Option<()>, _>(StoreError::Unavailable)));
            assert!(matches!(look.now_or_never(), Some(Err(Rejection::Unavailable))));
        }
    }

    #[test]
    fn however_many_addresses_ask_so_many_are_counted() {
        let lookups = Lookups::new(true, clock());
        for address in 0..u32::try_from(MAX_COUNTED).unwrap() * 3 / 2 {
            let address = Some(IpAddr::from(address.to_be_bytes()));
            let look = lookups.counted(address, made_up(0), ready(Ok(None::<()>)));
            assert!(matches!(look.now_or_never(), Some(Ok(None))));
        }
        lookups.counted.run_pending_tasks();
        assert!(lookups.counted.entry_count() <= MAX_COUNTED);
    }
}
