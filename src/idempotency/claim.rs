//! Claims a request with a key, or waits for the other attempt at it.

use std::time::Duration;

use crate::domain::Clock;
use crate::http::Rejection;
use crate::store::{Claimed, KeyedRequest, Reservation, StoredResponse, TenantStore};

use super::WaitTimeout;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The result of a claim.
pub(super) enum ClaimStep {
    /// This attempt carries the request out.
    Ours(Reservation),
    /// An earlier attempt stored a response.
    Stored(StoredResponse),
}

/// Claims the request. While another attempt at it runs, waits for the response of that attempt.
///
/// # Errors
/// - [`Rejection::KeyReused`] (422) if the key belongs to another body.
/// - [`Rejection::StillRunning`] (409) if the other attempt outlasts `wait_timeout`.
/// - The rejection of a store error (503) if the database cannot be reached.
pub(super) async fn take(
    store: &TenantStore,
    clock: &Clock,
    request: &KeyedRequest,
    WaitTimeout(wait_timeout): WaitTimeout,
) -> Result<ClaimStep, Rejection> {
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    loop {
        match store.idempotency().claim(request, clock).await? {
            Claimed::Ours(reservation) => return Ok(ClaimStep::Ours(reservation)),
            Claimed::Answered(response) => return Ok(ClaimStep::Stored(response)),
            Claimed::OtherBody => return Err(Rejection::KeyReused),
            Claimed::Running if waited + pause > wait_timeout => return Err(Rejection::StillRunning),
            Claimed::Running => {}
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
