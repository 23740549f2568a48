//! Reads that are tried again while the database is away for a moment, as the group writers try theirs.

use std::future::Future;
use std::time::Duration;

use crate::store::StoreError;

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(250);

/// What `read` comes to, tried again for ten seconds while the database cannot be reached or is busy.
pub(super) async fn with_retries<T, F>(mut read: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut waited = Duration::ZERO;
    loop {
        match read().await {
            Err(StoreError::Busy | StoreError::OrgBusy | StoreError::Unavailable) if waited < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            result => return result,
        }
    }
}
