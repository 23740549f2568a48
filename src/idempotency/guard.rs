//! The guard of a request that is being carried out, which reports how the request ended.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::domain::idempotency::LEASE;
use crate::domain::{Clock, Timestamp};
use crate::http::{About, Dialect};
use crate::store::{Reservation, StoreError, StoredResponse, TenantStore};

/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(15);

/// Holds the reservation of a request while it is carried out. Its methods report the end of the request. If a guard is
/// dropped, or the database cannot be reached at the end, the next attempt takes the request over once the lease has
/// run out. That attempt creates nothing twice.
///
/// The guard of a request without a key does nothing.
#[must_use = "a request whose guard is dropped cannot be attempted again before its lease runs out"]
pub struct IdempotencyGuard(Option<Reserved>);

struct Reserved {
    store: TenantStore,
    clock: Clock,
    reservation: Arc<Reservation>,
}

impl IdempotencyGuard {
    /// Returns the guard of a request without a key.
    pub fn unkeyed() -> Self {
        Self(None)
    }

    pub(super) fn new(store: TenantStore, clock: Clock, reservation: Arc<Reservation>) -> Self {
        Self(Some(Reserved { store, clock, reservation }))
    }

    /// Returns whether the request has a key, so that its response must be collected and stored.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.0.is_some()
    }

    /// Stores a successful response byte for byte. A response of more than 4 MiB is not stored; its request is carried
    /// out again, with the same effect.
    pub async fn store(self, status: StatusCode, content_type: Option<&str>, body: &[u8]) {
        let Some(reserved) = self.0 else { return };
        debug_assert!(status.is_success(), "only successful responses are replayed");
        let content_type = content_type.map(str::to_owned);
        let response = StoredResponse { status: status.as_u16(), content_type, body: body.to_owned() };
        match reserved.store.idempotency().store(&reserved.reservation, response).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::debug!("idempotency.response_not_stored");
                Self(Some(reserved)).give_up().await;
            }
            Err(error) => {
                warn(&error);
                Self(Some(reserved)).give_up().await;
            }
        }
    }

    /// Reports that the request ended with an error, and frees its key if the request was rejected before anything was
    /// committed.
    pub async fn hand_back<D: Dialect>(self, error: &D::Error, now: Timestamp) {
        if self.is_keyed() {
            let status = D::render(error, &About { request_id: String::new(), now }).status();
            self.hand_back_with(status).await;
        }
    }

    pub(super) async fn hand_back_with(self, status: StatusCode) {
        // The client is to send the same request again after 429.
        let is_rejected = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
        if is_rejected { self.release().await } else { self.give_up().await }
    }

    /// Reports that the request was rejected, and frees its key. A request may be rejected half-way, for instance by the
    /// time limit of its second statement. If it has committed something, or an earlier attempt may have, the key stays
    /// bound to its body, and the next attempt need not wait for the lease.
    pub async fn release(self) {
        let Some(reserved) = &self.0 else { return };
        if !reserved.reservation.is_first || reserved.store.has_committed() {
            return self.give_up().await;
        }
        if let Err(error) = reserved.store.idempotency().release(&reserved.reservation).await {
            warn(&error);
        }
    }

    /// Reports that the request failed, perhaps after it had stored something. The next attempt takes it over at once.
    pub async fn give_up(self) {
        let Some(reserved) = self.0 else { return };
        if let Err(error) = reserved.store.idempotency().lease_until(&reserved.reservation, reserved.clock.now()).await
        {
            warn(&error);
        }
    }

    /// Renews the lease every 15 seconds while it is polled. It runs beside a stream that outlasts a lease, and
    /// continues if the lease cannot be renewed, because a response that has begun is streamed to its end.
    pub async fn renewing(&self) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let _ = self.renew().await;
        }
    }

    /// Renews the lease for 40 seconds from now. Returns `false` if another attempt has taken the request over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be reached.
    pub async fn renew(&self) -> Result<bool, StoreError> {
        let Some(reserved) = &self.0 else { return Ok(true) };
        reserved.store.idempotency().lease_until(&reserved.reservation, reserved.clock.now() + LEASE).await
    }
}

fn warn(error: &StoreError) {
    tracing::warn!(%error, "idempotency.end_not_stored");
}
