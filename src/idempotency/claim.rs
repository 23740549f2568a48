//! The wait for one's turn.

use std::time::Duration;

use crate::domain::Clock;
use crate::http::Rejection;
use crate::store::{Claimed, KeyedRequest, Reservation, StoredResponse, TenantStore};

use super::WaitTimeout;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Whose turn it is.
pub(super) enum ClaimStep {
    Ours(Reservation),
    /// The request was answered before.
    Answered(StoredResponse),
}

/// Claims the request, or waits until another attempt at it has been answered.
///
/// # Errors
/// 422 when the key belongs to another body, 409 when patience ends, 503 when the database cannot be reached.
pub(super) async fn take(
    store: &TenantStore,
    clock: &Clock,
    request: &KeyedRequest,
    WaitTimeout(wait_timeout): WaitTimeout,
) -> Result<ClaimStep, Rejection> {
    let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
    loop {
        match store.idempotency().claim(request, clock.now()).await? {
            Claimed::Ours(reservation) => return Ok(ClaimStep::Ours(reservation)),
            Claimed::Answered(answer) => return Ok(ClaimStep::Answered(answer)),
            Claimed::OtherBody => return Err(Rejection::KeyReused),
            Claimed::Running if waited + pause > wait_timeout => return Err(Rejection::StillRunning),
            Claimed::Running => {}
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
