//! `Idempotency-Key`: the same create twice is one session and the same response (docs/data-model.md).
//!
//! A handler names [`Idempotent`] in its signature, in the position of a JSON body, and calls [`Idempotent::respond`].
//! Without the header nothing changes. With it, the request is reserved under organization, dialect, method, path and
//! key before it is carried out, and a successful response is stored for 24 hours:
//!
//! - the same key and body again: the stored response, with `Idempotency-Replayed: true`;
//! - the same key, another body: 422, whichever bytes differ;
//! - the same key while the first request is being served: its response, or after [`WaitTimeout`] 409;
//! - a request that was rejected before anything was committed leaves its key free, also for another body;
//! - a request whose process died, or whose outcome is unknown, is carried out again by the next attempt, with the
//!   time, the ids and the nonce of the first, so that what was committed is recognised and not created twice.
//!
//! Credentials and rate limits are checked first, at every request. The credential is not part of the scope, because it
//! may be rotated between two attempts. Headers that a handler adds to its response are not stored. A route that
//! returns a secret must not use this, because responses are stored unencrypted and a secret can be derived again from
//! the reservation.

mod claim;
mod guard;
mod request;

use std::time::Duration;

use http::HeaderName;
use utoipa::IntoParams;

pub use guard::IdempotencyGuard;
pub use request::{ClaimOutcome, Idempotent, SentKey};

static HEADER: HeaderName = HeaderName::from_static("idempotency-key");
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long a request waits for another one with the same key before the response is 409.
#[derive(Clone, Copy, Debug)]
pub struct WaitTimeout(pub Duration);

impl Default for WaitTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(3))
    }
}

/// The header as the OpenAPI documents describe it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes; the extractor reads")]
pub struct IdempotencyKeyHeader {
    /// Makes it safe to send the request again. For 24 hours, the same key and body get the first response again, with
    /// `Idempotency-Replayed: true`. 1 to 255 printable ASCII characters.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, min_length = 1, max_length = 255)]
    key: Option<String>,
}
