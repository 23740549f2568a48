//! Everything that can be refused before a dialect's own rules are asked. Each dialect words it in its own envelope.

use crate::domain::{JsonFault, Scope};
use crate::store::StoreError;

use super::rate_status::RateStatus;

/// A request that the house cannot serve, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 404: no route of the dialect has this path.
    NoRoute,
    /// 404 or 405: the path is there, the method is not.
    NoMethod,
    /// 400: the path's percent-encoding is no UTF-8.
    MalformedPath,
    /// 400: a header that may come once came twice, or holds what it cannot.
    MalformedHeader(&'static str),
    /// 415: a body of another type than the route accepts.
    UnsupportedMediaType(MediaType),
    /// 415: a body that is packed in a way that is not known.
    UnsupportedEncoding,
    /// 413: the body has more than this many bytes.
    BodyTooLarge(usize),
    /// 400: the body ended early or came too slowly.
    UnreadableBody,
    /// 400: the body is no JSON, or none that can be kept.
    MalformedJson(JsonFault),
    /// 400: JSON, but no object; no body at all counts as this, too.
    NotAnObject,
    /// 400: an object that names a member twice.
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
    /// 429: the organization has as many streams open as it may.
    TooManyStreams,
    /// 429 with `Retry-After`: the organization has as many requests of a costly kind (searches, patterns, uploads,
    /// large bodies) in progress as it may have.
    TooManyConcurrent,
    /// 403: the organization has stored as many bytes as its quota allows.
    StorageFull,
    /// 422: the query was cancelled because it took longer than a query may.
    QueryTooSlow,
    /// 503 with `Retry-After`: too much is waiting, or the database cannot be reached.
    Unavailable,
    /// 503: the handler took longer than it may.
    TimedOut,
    /// 500: a fault of ours.
    Internal,
}

/// What was wrong with the type of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// What an HTML form sends, where JSON is accepted.
    Form,
    /// JSON, in another charset than UTF-8.
    Charset,
    /// Anything else than JSON, or nothing.
    Other,
    /// Anything else than JSON or a form with parts, where both are accepted.
    NotJsonOrForm,
    /// Anything else than an encoding of OTLP.
    NotOtlp,
}

impl MediaType {
    /// Returns what the route accepts, for the response's header `Accept` (RFC 9110, section 15.5.16).
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

/// Why nobody was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// No credential, or none that this surface takes.
    Missing,
    /// A key that was never issued, has expired or was revoked, or whose organization is disabled.
    BadKey,
    /// A token that does not hold.
    BadToken,
    /// `x-org-id` names nobody, or an organization that is disabled or takes no unauthenticated captures.
    BadOrg,
}

/// Why a caller who was recognised may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The credential is not good for this.
    Scope(Scope),
    /// The credential has no such organization, or none at all.
    Organization,
}

/// What clients that ask again too early are told to wait, in seconds.
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
