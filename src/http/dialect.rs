//! What an API provides so that the shared layers can respond in its format.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::rate_status::RateStatus;
use super::rejection::Rejection;
use crate::domain::{ApiName, Timestamp};

/// One API's envelope: a vendor's, or that of the service's own API.
pub trait Dialect: Sized + Send + Sync + 'static {
    const NAME: ApiName;

    /// Every error response of the dialect, including the shared rejections.
    type Error: From<Rejection> + IntoResponse + Clone + std::fmt::Debug + Send + Sync + 'static;

    /// Renders an error.
    fn render(error: &Self::Error, about: &About) -> Response;

    /// Returns the shared rejection in an error, if it is one.
    fn rejection(error: &Self::Error) -> Option<&Rejection>;

    /// Returns the headers in which this vendor reports a caller's rate limit, if it does.
    fn rate_headers() -> Option<RateHeaders>;
}

/// What an error's envelope may show of its request.
#[derive(Clone, Debug)]
pub struct About {
    pub request_id: String,
    pub now: Timestamp,
}

/// The names of a vendor's rate-limit headers, and the format of the reset.
#[derive(Clone, Debug)]
pub struct RateHeaders {
    pub limit: HeaderName,
    pub remaining: HeaderName,
    pub reset: HeaderName,
    pub reset_is: Reset,
    /// The header with the limit and its window: `1200;w=60`.
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

/// An error that the request context renders, because it knows the request and the dialect.
pub(super) struct Pending<D: Dialect>(pub D::Error);

impl<D: Dialect> Clone for Pending<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// An error of a request that is known before its caller is. A layer adds it to the request; the caller receives it after
/// authentication, so that it is counted, and strangers learn nothing.
pub struct Deferred<D: Dialect>(pub D::Error);

impl<D: Dialect> Clone for Deferred<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Converts a dialect's error to a response: the one implementation of `IntoResponse` for all of them.
pub fn reject<D: Dialect>(error: D::Error) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    response.extensions_mut().insert(Pending::<D>(error));
    response
}
