//! What a dialect has to say about itself for the shared layers to speak in its voice.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::rate_status::RateStatus;
use super::rejection::Rejection;
use crate::domain::{DialectName, Timestamp};

/// One vendor's envelope.
pub trait Dialect: Sized + Send + Sync + 'static {
    const NAME: DialectName;

    /// Everything the dialect can answer besides success, the shared rejections among it.
    type Error: From<Rejection> + IntoResponse + Clone + std::fmt::Debug + Send + Sync + 'static;

    /// Words an error.
    fn render(error: &Self::Error, about: &About) -> Response;

    /// Returns the shared rejection that an error is, if it is one.
    fn rejection(error: &Self::Error) -> Option<&Rejection>;

    /// Under which headers this vendor tells where a caller's limit stands, if it does.
    fn rate_headers() -> Option<RateHeaders>;
}

/// What an error's envelope may mention of its request.
#[derive(Clone, Debug)]
pub struct About {
    pub request_id: String,
    pub now: Timestamp,
}

/// The names of a vendor's rate-limit headers, and how it tells the reset.
#[derive(Clone, Debug)]
pub struct RateHeaders {
    pub limit: HeaderName,
    pub remaining: HeaderName,
    pub reset: HeaderName,
    pub reset_is: Reset,
    /// Tells the limit and its window: `1200;w=60`.
    pub policy: Option<HeaderName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Unix time in seconds.
    At,
    /// Seconds from now.
    In,
}

impl RateHeaders {
    pub(super) fn write(&self, status: &RateStatus, headers: &mut HeaderMap) {
        let reset = match self.reset_is {
            Reset::At => status.resets_at.timestamp(),
            Reset::In => i64::from(status.resets_in),
        };
        headers.insert(self.limit.clone(), HeaderValue::from(status.limit));
        headers.insert(self.remaining.clone(), HeaderValue::from(status.remaining));
        headers.insert(self.reset.clone(), HeaderValue::from(reset));
        if let Some(policy) = &self.policy
            && let Ok(value) = HeaderValue::from_str(&format!("{};w=60", status.limit))
        {
            headers.insert(policy.clone(), value);
        }
    }
}

/// An error on its way to the door, which knows the request it belongs to and lets the dialect word it.
pub(super) struct Pending<D: Dialect>(pub D::Error);

impl<D: Dialect> Clone for Pending<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// How a dialect's error becomes a response: the one implementation of `IntoResponse` for all five.
pub fn reject<D: Dialect>(error: D::Error) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    response.extensions_mut().insert(Pending::<D>(error));
    response
}
