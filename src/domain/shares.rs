//! How much of something that is bounded each organization has taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::OrgId;

/// Places of which one organization can hold so many and no more.
#[derive(Clone, Debug)]
pub struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    taken: Mutex<HashMap<OrgId, usize>>,
    most: usize,
}

impl Shares {
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { taken: Mutex::default(), most }))
    }

    /// A place, unless the organization holds all that it may.
    #[must_use]
    pub fn take(&self, org: OrgId) -> Option<Share> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(org).or_default();
        if *count >= self.0.most {
            return None;
        }
        *count += 1;
        Some(Share { shares: self.clone(), org })
    }
}

/// One place, given back when dropped.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    org: OrgId,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.org);
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
        let shares = Shares::new(2);
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
