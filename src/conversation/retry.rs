//! Retries store calls while the database is briefly unavailable, as the group writers do.

use std::future::Future;
use std::time::Duration;

use crate::store::StoreError;

const RETRY_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(250);

/// Returns the result of `read`, which is retried for ten seconds while the database cannot be reached or is busy.
pub(super) async fn with_retries<T, F>(mut read: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut waited = Duration::ZERO;
    loop {
        match read().await {
            Err(StoreError::Busy | StoreError::OrgBusy | StoreError::Unavailable) if waited < RETRY_TIMEOUT => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            result => return result,
        }
    }
}
