//! Checks whether the service is ready, at most once a second, so that the requests for it cannot load the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::domain::{Clock, Timestamp};
use crate::store::{Store, StoreError};

/// How long the database may take to respond before the service counts as not ready.
const READY_WITHIN: Duration = Duration::from_secs(2);
/// How long one result is valid.
const GOOD_FOR: chrono::TimeDelta = chrono::TimeDelta::seconds(1);

/// The result of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    Yes,
    /// The database can be read, but no write can succeed.
    ReadOnly,
    Unreachable,
    /// The service is about to stop, and new requests should go to another replica.
    Stopping,
}

/// The last result. Callers that ask during a check wait for its result.
#[derive(Clone)]
pub struct Readiness {
    clock: Clock,
    /// Cancelled when the service is about to stop.
    leaving: CancellationToken,
    last: Arc<Mutex<Option<(Timestamp, Ready)>>>,
}

impl Readiness {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, leaving: CancellationToken::new(), last: Arc::default() }
    }

    /// Returns a readiness that ends permanently when `leaving` is cancelled.
    #[must_use]
    pub fn until(self, leaving: CancellationToken) -> Self {
        Self { leaving, ..self }
    }

    /// Returns whether the service is ready; the result may be up to a second old.
    pub async fn of(&self, store: &Store) -> Ready {
        if self.leaving.is_cancelled() {
            return Ready::Stopping;
        }
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        // A clock that was set back does not extend a result's validity.
        if let Some((at, ready)) = *last
            && at <= now
            && now - at < GOOD_FOR
        {
            return ready;
        }
        let ready = match tokio::time::timeout(READY_WITHIN, store.check_writes()).await {
            Ok(Ok(())) => Ready::Yes,
            Ok(Err(StoreError::ReadOnly)) => Ready::ReadOnly,
            Ok(Err(_)) | Err(_) => Ready::Unreachable,
        };
        // As of the end of the check and not of its start, so that a slow check is not repeated at once.
        *last = Some((self.clock.now(), ready));
        ready
    }
}
