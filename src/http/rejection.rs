//! Everything that is rejected before a dialect's own rules apply. Each dialect renders it in its own envelope.

use crate::domain::{JsonFault, Scope};
use crate::store::StoreError;

use super::rate_status::RateStatus;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 404: the dialect has no route with this path.
    NoRoute,
    /// 404 or 405: the path exists, but not with this method.
    NoMethod,
    /// 400: the percent-encoding of the path is not UTF-8.
    MalformedPath,
    /// 400: a header occurs twice that may occur once, or has an invalid value.
    MalformedHeader(&'static str),
    /// 415: the route does not accept bodies of this type.
    UnsupportedMediaType(MediaType),
    /// 415: the body has an unknown encoding.
    UnsupportedEncoding,
    /// 413: the body has more than this many bytes.
    BodyTooLarge(usize),
    /// 400: the body ended early or arrived too slowly.
    UnreadableBody,
    /// 400: the body is not JSON, or cannot be stored.
    MalformedJson(JsonFault),
    /// 400: the body is JSON but not an object, or is empty.
    NotAnObject,
    /// 400: an object has the same member twice.
    DuplicateMember,
    /// 401.
    Unauthenticated(Unauthenticated),
    /// 403.
    Forbidden(Forbidden),
    /// 409 with `Retry-After`: a request with the same `Idempotency-Key` is being served.
    StillRunning,
    /// 422: the `Idempotency-Key` belongs to a request with another body.
    KeyReused,
    /// 429.
    RateLimited(RateStatus),
    /// 429: the organization has as many open streams as it may have.
    TooManyStreams,
    /// 429 with `Retry-After`: the organization has as many requests of a costly kind (searches, patterns, uploads,
    /// large bodies) in progress as it may have.
    TooManyConcurrent,
    /// 403: the organization's storage quota is used up.
    StorageFull,
    /// 422: the query was cancelled at its time limit.
    QueryTooSlow,
    /// 503 with `Retry-After`: a queue is full, or the database cannot be reached.
    Unavailable,
    /// 503: the handler exceeded its time limit.
    TimedOut,
    /// 500: a bug of the service.
    Internal,
}

/// What was wrong with the content type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// The type of an HTML form, but only JSON is accepted.
    Form,
    /// JSON with another charset than UTF-8.
    Charset,
    /// Not JSON, or no type.
    Other,
    /// Neither JSON nor a multipart form, but only these are accepted.
    NotJsonOrForm,
    /// Not an encoding of OTLP.
    NotOtlp,
}

impl MediaType {
    /// Returns what the route accepts, for the response's `Accept` header (RFC 9110, section 15.5.16).
    #[must_use]
    pub fn accepted(self) -> &'static str {
        match self {
            Self::Form | Self::Charset | Self::Other => "application/json",
            Self::NotJsonOrForm => "application/json, multipart/form-data",
            Self::NotOtlp => "application/x-protobuf, application/json",
        }
    }

    /// Returns what the route accepts, for the text of an error.
    #[must_use]
    pub fn accepted_in_words(self) -> &'static str {
        match self {
            Self::Form | Self::Charset | Self::Other => "application/json in UTF-8",
            Self::NotJsonOrForm => "application/json in UTF-8 or multipart/form-data",
            Self::NotOtlp => "application/x-protobuf or application/json",
        }
    }
}

/// Why a caller is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// There is no credential, or none that the route accepts.
    Missing,
    /// The key was never issued, has expired or was revoked, or its organization is disabled.
    BadKey,
    /// The token is not valid.
    BadToken,
    /// The organization of `x-org-id` does not exist, is disabled, or accepts no unauthenticated captures.
    BadOrg,
}

/// Why an authenticated caller is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The credential does not have this scope.
    Scope(Scope),
    /// The credential does not belong to the organization, or to any.
    Organization,
    /// The credential is a cookie, and the request does not come from a page of this service.
    CrossSite,
    /// The API key may not be used from the client's address.
    Address,
}

/// The `Retry-After` for clients that retry too early, in seconds.
pub const RETRY_AFTER: u64 = 1;

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Unavailable | StoreError::ReadOnly => Self::Unavailable,
            StoreError::TooSlow => Self::QueryTooSlow,
            StoreError::OrgBusy => Self::TooManyConcurrent,
            StoreError::StorageFull => Self::StorageFull,
            StoreError::Rejected(_) | StoreError::Unreadable(_) => {
                tracing::error!(%error, "store.failed");
                Self::Internal
            }
        }
    }
}
