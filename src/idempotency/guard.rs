//! The right to carry a request out, and the duty to say what became of it.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::domain::idempotency::LEASE;
use crate::domain::{Clock, Timestamp};
use crate::http::{About, Dialect};
use crate::store::{Reservation, StoreError, StoredResponse, TenantStore};

/// How often a lease is taken anew.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// Reserved while a request is carried out, and handed in at its end. One that is dropped, or whose end the database did
/// not hear of, leaves the request to the next attempt once its lease has run out: that attempt makes nothing twice.
///
/// The ticket of a request without a key is good for nothing, and costs nothing.
#[must_use = "a request whose ticket is dropped cannot be attempted again before its lease runs out"]
pub struct IdempotencyGuard(Option<Reserved>);

struct Reserved {
    store: TenantStore,
    clock: Clock,
    reservation: Arc<Reservation>,
}

impl IdempotencyGuard {
    /// The ticket of a request without a key.
    pub fn unkeyed() -> Self {
        Self(None)
    }

    pub(super) fn new(store: TenantStore, clock: Clock, reservation: Arc<Reservation>) -> Self {
        Self(Some(Reserved { store, clock, reservation }))
    }

    /// Whether the answer is worth collecting: there is a key to keep it under.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps a successful answer: every byte of it, as it was sent. One of more than 4 MiB is not kept; its request is
    /// done again, to the same effect.
    pub async fn store(self, status: StatusCode, content_type: Option<&str>, body: &[u8]) {
        let Some(reserved) = self.0 else { return };
        debug_assert!(status.is_success(), "only what succeeded is answered again");
        let content_type = content_type.map(str::to_owned);
        let answer = StoredResponse { status: status.as_u16(), content_type, body: body.to_owned() };
        match reserved.store.idempotency().keep(&reserved.reservation, &answer).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!("idempotency.answer_not_kept");
                Self(Some(reserved)).give_up().await;
            }
            Err(error) => warn(&error),
        }
    }

    /// Hands the ticket of a request in that ended with an error: what was refused came to nothing, what failed may have
    /// come to something.
    pub async fn hand_back<D: Dialect>(self, error: &D::Error, now: Timestamp) {
        if self.is_keyed() {
            let status = D::render(error, &About { request_id: String::new(), now }).status();
            self.hand_back_with(status).await;
        }
    }

    pub(super) async fn hand_back_with(self, status: StatusCode) {
        // 429 can come in the middle of a request, after it had stored something.
        let came_to_nothing = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
        if came_to_nothing { self.release().await } else { self.give_up().await }
    }

    /// Gives a request back that was refused: its key is free. If an earlier attempt may have come to something, the
    /// key stays with its body, and only the next attempt need not wait.
    pub async fn release(self) {
        let Some(reserved) = &self.0 else { return };
        if !reserved.reservation.is_first {
            return self.give_up().await;
        }
        if let Err(error) = reserved.store.idempotency().release(&reserved.reservation).await {
            warn(&error);
        }
    }

    /// Gives a request up that failed, perhaps after it had come to something: the next attempt takes it over at once.
    pub async fn give_up(self) {
        let Some(reserved) = self.0 else { return };
        if let Err(error) = reserved.store.idempotency().lease_until(&reserved.reservation, reserved.clock.now()).await
        {
            warn(&error);
        }
    }

    /// Takes the lease anew again and again, for as long as it is polled: to stand beside what streams for longer than a
    /// lease. Whether or not the lease can be had, an answer that was begun is told to its end.
    pub async fn renewing(&self) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let _ = self.renew().await;
        }
    }

    /// Takes the lease anew, for 40 seconds from now. What streams an answer for longer calls this on the way, and
    /// stops when it is false: another attempt has taken over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached.
    pub async fn renew(&self) -> Result<bool, StoreError> {
        let Some(reserved) = &self.0 else { return Ok(true) };
        reserved.store.idempotency().lease_until(&reserved.reservation, reserved.clock.now() + LEASE).await
    }
}

fn warn(error: &StoreError) {
    tracing::warn!(%error, "idempotency.ticket_not_handed_in");
}
