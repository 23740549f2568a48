//! `Idempotency-Key`: the same create twice is one session and the same response (docs/data-model.md).
//!
//! A handler names [`Idempotent`] in its signature, where it would name a JSON body, and lets it [answer]. Without the
//! header nothing is different. With it, the request is reserved under organization, dialect, method, path and key
//! before it is carried out, and a successful answer is kept for 24 hours:
//!
//! - the same key and body again: the kept answer, with `Idempotency-Replayed: true`;
//! - the same key, another body: 422, whichever bytes differ;
//! - the same key while the first request is being served: its answer, or after [`WaitTimeout`] 409;
//! - a request that was refused leaves its key free, also for another body;
//! - a request whose process died, or whose outcome is unknown, is done again by the next that comes, with the time,
//!   the
//!   ids and the nonce of the first: what was committed is recognised, not made twice.
//!
//! Credentials and rate limits come first, at every request. The credential is not part of the scope: a key may be
//! rotated between two attempts. Headers that a handler adds to its answer are not kept. No route that answers a secret
//! may use this: answers are kept as they are, and what is drawn can be drawn again.
//!
//! [answer]: Idempotent::answer

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

/// How long a request waits for another with the same key, before it is 409.
#[derive(Clone, Copy, Debug)]
pub struct WaitTimeout(pub Duration);

impl Default for WaitTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(3))
    }
}

/// The header, as the OpenAPI documents describe it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes; the extractor reads")]
pub struct IdempotencyKeyHeader {
    /// Makes it safe to send the request again. For 24 hours, the same key and body get the first response again, with
    /// `Idempotency-Replayed: true`. 1 to 255 printable ASCII characters.
    #[param(rename = "Idempotency-Key", value_type = String, required = false, min_length = 1, max_length = 255)]
    key: Option<String>,
}
