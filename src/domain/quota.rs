//! Limits how many permits each organization, or each network of clients, has at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use super::OrgId;

/// Permits by owner, an organization or a network, with the same limit for each. Cheap to clone.
#[derive(Debug)]
pub struct Quota<K: Copy + Eq + Hash = OrgId>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    taken: Mutex<HashMap<K, usize>>,
    limit: usize,
}

impl<K: Copy + Eq + Hash> Clone for Quota<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> Quota<K> {
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { taken: Mutex::default(), limit }))
    }

    /// Returns a permit, or `None` if the owner has reached its limit.
    #[must_use]
    pub fn acquire(&self, owner: K) -> Option<Permit<K>> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(owner).or_default();
        if *count >= self.0.limit {
            return None;
        }
        *count += 1;
        Some(Permit { quota: self.clone(), owner })
    }
}

/// A permit, returned when dropped.
#[derive(Debug)]
pub struct Permit<K: Copy + Eq + Hash = OrgId> {
    quota: Quota<K>,
    owner: K,
}

impl<K: Copy + Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut taken = self.quota.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn one_organization_cannot_take_more_than_its_share() {
        let quota = Quota::new(2);
        let (loud, quiet) = (OrgId(Uuid::from_u128(1)), OrgId(Uuid::from_u128(2)));
        let (first, second) = (quota.acquire(loud), quota.acquire(loud));
        assert!(first.is_some() && second.is_some());
        assert!(quota.acquire(loud).is_none());
        assert!(quota.acquire(quiet).is_some());
        drop(first);
        assert!(quota.acquire(loud).is_some());
        drop(second);
        assert!(quota.0.taken.lock().unwrap().is_empty());
    }
}
