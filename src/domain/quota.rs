//! How much of something that is bounded each organization, or each client address, has taken.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use super::OrgId;

/// Places of which one owner, an organization or a network, can hold so many and no more.
#[derive(Debug)]
pub struct Quota<K: Copy + Eq + Hash = OrgId>(Arc<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    taken: Mutex<HashMap<K, usize>>,
    most: usize,
}

impl<K: Copy + Eq + Hash> Clone for Quota<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Copy + Eq + Hash> Quota<K> {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { taken: Mutex::default(), most }))
    }

    /// A place, unless the owner holds all that it may.
    #[must_use]
    pub fn take(&self, owner: K) -> Option<Permit<K>> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(owner).or_default();
        if *count >= self.0.most {
            return None;
        }
        *count += 1;
        Some(Permit { shares: self.clone(), owner })
    }
}

/// One place, given back when dropped.
#[derive(Debug)]
pub struct Permit<K: Copy + Eq + Hash = OrgId> {
    shares: Quota<K>,
    owner: K,
}

impl<K: Copy + Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut taken = self.shares.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
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
        let shares = Quota::new(2);
        let (loud, quiet) = (OrgId(Uuid::from_u128(1)), OrgId(Uuid::from_u128(2)));
        let (first, second) = (shares.take(loud), shares.take(loud));
        assert!(first.is_some() && second.is_some());
        assert!(shares.take(loud).is_none());
        assert!(shares.take(quiet).is_some());
        drop(first);
        assert!(shares.take(loud).is_some());
        drop(second);
        assert!(shares.0.taken.lock().unwrap().is_empty());
    }
}
