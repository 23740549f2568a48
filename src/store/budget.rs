//! How much of a kind of request may wait to be executed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::StoreError;
use super::permits::{OrgPermit, OrgPermits, PermitLimits};
use crate::domain::OrgId;

/// Requests that wait per task. Further requests are rejected.
pub(super) const QUEUE_LENGTH: usize = 4_096;
/// Bytes that wait in all queues of a kind together. Further callers wait.
const QUEUE_BYTES: u32 = 32 * 1024 * 1024;
/// One organization can use one part in this many of the queues.
const ORG_SHARE: u32 = 4;
/// How long a caller waits for bytes of the queue. It is shorter than a handler's time limit, so that the handler still
/// responds.
const BYTES_WAIT: Duration = Duration::from_secs(10);

/// How much of a kind of request may wait, in all shards together. Cheap to clone.
#[derive(Clone)]
pub(super) struct Budget {
    /// The bytes of each organization.
    shares: OrgPermits,
    /// The bytes of all organizations.
    bytes: Arc<Semaphore>,
}

impl Budget {
    /// Returns the budget of the queues of `tasks` tasks.
    pub fn new(tasks: usize) -> Self {
        let shares = OrgPermits::new(PermitLimits {
            permits: QUEUE_BYTES / ORG_SHARE,
            callers: QUEUE_LENGTH * tasks / ORG_SHARE as usize,
            wait: BYTES_WAIT,
        });
        Self { shares, bytes: Arc::new(Semaphore::new(QUEUE_BYTES as usize)) }
    }

    /// Returns how many bytes are queued or being written.
    pub fn queued_bytes(&self) -> usize {
        QUEUE_BYTES as usize - self.bytes.available_permits()
    }

    /// Returns what a request of so many bytes uses.
    pub fn weight(bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, QUEUE_BYTES / ORG_SHARE)
    }

    /// Returns the permits for bytes of the organization's share and of the queues, as soon as there are so many.
    ///
    /// # Errors
    /// [`StoreError::OrgBusy`] when the organization's share is used up, [`StoreError::Busy`] when the queues stay full.
    pub async fn acquire(&self, org: OrgId, bytes: u32) -> Result<(OrgPermit, OwnedSemaphorePermit), StoreError> {
        let share = self.shares.acquire(org, bytes).await?;
        let room = match Arc::clone(&self.bytes).try_acquire_many_owned(bytes) {
            Ok(room) => room,
            Err(_) => tokio::time::timeout(BYTES_WAIT, Arc::clone(&self.bytes).acquire_many_owned(bytes))
                .await
                .map_err(|_elapsed| StoreError::Busy)?
                .map_err(|_closed| StoreError::Unavailable)?,
        };
        Ok((share, room))
    }
}
