//! Permits per organization, with a bounded number of callers that wait for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::StoreError;
use crate::domain::OrgId;

/// How many permits one organization has, and how its callers wait for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PermitLimits {
    /// Permits of one organization.
    pub permits: u32,
    /// Callers of one organization that have permits or wait for them. Further callers are rejected.
    pub callers: usize,
    /// How long a caller waits before it is rejected.
    pub wait: Duration,
}

/// Permits by organization. Cheap to clone.
#[derive(Clone)]
pub(super) struct OrgPermits(Arc<Inner>);

struct Inner {
    limits: PermitLimits,
    orgs: Mutex<HashMap<OrgId, PermitEntry>>,
}

struct PermitEntry {
    semaphore: Arc<Semaphore>,
    callers: usize,
}

impl OrgPermits {
    pub fn new(limits: PermitLimits) -> Self {
        Self(Arc::new(Inner { limits, orgs: Mutex::default() }))
    }

    /// Returns `count` permits of `org`, in the order in which its callers asked. A caller that asks for more than
    /// there are gets all of them.
    ///
    /// # Errors
    /// [`StoreError::OrgBusy`] when too many callers of the organization have permits or wait, or after the time limit.
    pub async fn acquire(&self, org: OrgId, count: u32) -> Result<OrgPermit, StoreError> {
        let caller = self.enter(org)?;
        let count = count.min(self.0.limits.permits);
        let permit = match Arc::clone(&caller.semaphore).try_acquire_many_owned(count) {
            Ok(permit) => permit,
            Err(_) => {
                let permit = Arc::clone(&caller.semaphore).acquire_many_owned(count);
                match tokio::time::timeout(self.0.limits.wait, permit).await {
                    Ok(Ok(permit)) => permit,
                    _ => return Err(StoreError::OrgBusy),
                }
            }
        };
        Ok(OrgPermit { _permit: permit, _caller: caller })
    }

    /// Counts a caller until the returned value is dropped.
    fn enter(&self, org: OrgId) -> Result<Caller, StoreError> {
        let limits = self.0.limits;
        let mut orgs = self.0.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = orgs.entry(org).or_insert_with(|| PermitEntry {
            semaphore: Arc::new(Semaphore::new(limits.permits as usize)),
            callers: 0,
        });
        if entry.callers >= limits.callers {
            return Err(StoreError::OrgBusy);
        }
        entry.callers += 1;
        Ok(Caller { permits: self.clone(), org, semaphore: Arc::clone(&entry.semaphore) })
    }
}

/// A caller that has permits or waits for them.
struct Caller {
    permits: OrgPermits,
    org: OrgId,
    semaphore: Arc<Semaphore>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut orgs = self.permits.0.orgs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = orgs.get_mut(&self.org) {
            entry.callers -= 1;
            if entry.callers == 0 {
                orgs.remove(&self.org);
            }
        }
    }
}

/// Permits, returned when dropped.
///
/// The order of the members matters: the permits must be returned before the caller leaves, because the last caller
/// removes the semaphore.
pub(super) struct OrgPermit {
    _permit: OwnedSemaphorePermit,
    _caller: Caller,
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use uuid::Uuid;

    fn org(number: u128) -> OrgId {
        OrgId(Uuid::from_u128(number))
    }

    #[tokio::test(start_paused = true)]
    async fn an_organization_has_its_permits_and_a_bounded_queue() {
        let permits = OrgPermits::new(PermitLimits { permits: 2, callers: 3, wait: Duration::from_secs(5) });
        let first = permits.acquire(org(1), 1).await.unwrap();
        let _second = permits.acquire(org(1), 1).await.unwrap();
        let mut third = Box::pin(permits.acquire(org(1), 1));
        assert!((&mut third).now_or_never().is_none());
        assert!(matches!(permits.acquire(org(1), 1).now_or_never(), Some(Err(StoreError::OrgBusy))));
        // Another organization does not wait.
        assert!(permits.acquire(org(2), 1).now_or_never().is_some_and(|permit| permit.is_ok()));
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn permits_are_taken_by_weight_and_more_than_there_are_means_all() {
        let permits = OrgPermits::new(PermitLimits { permits: 10, callers: 9, wait: Duration::from_secs(5) });
        let large = permits.acquire(org(1), 11).await.unwrap();
        let mut small = Box::pin(permits.acquire(org(1), 1));
        assert!((&mut small).now_or_never().is_none());
        drop(large);
        assert!(small.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_and_a_caller_that_leaves_is_not_counted() {
        let permits = OrgPermits::new(PermitLimits { permits: 1, callers: 2, wait: Duration::from_secs(5) });
        let first = permits.acquire(org(1), 1).await.unwrap();
        assert!(matches!(permits.acquire(org(1), 1).await, Err(StoreError::OrgBusy)));
        let mut leaves = Box::pin(permits.acquire(org(1), 1));
        assert!((&mut leaves).now_or_never().is_none());
        drop(leaves);
        assert!(permits.acquire(org(1), 1).now_or_never().is_none(), "the place in the queue is free again");
        drop(first);
        assert!(permits.0.orgs.lock().unwrap().is_empty());
    }
}
