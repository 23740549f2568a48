//! Agnost's envelope: `{"error": "<text>"}` (docs/dialects/agnost.md).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Agnost;
use crate::http::{Forbidden, Rejection, Reply, Unauthenticated, reject};
use crate::store::StoreError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgnostError {
    /// 400: a member of the body is not valid.
    Invalid(&'static str),
    /// 404: the organization has no such resource.
    Missing(&'static str),
    /// 422: the organization has reached its limit of these resources.
    Full(&'static str),
    /// 409: the organization has reached its limit of API keys that are neither revoked nor expired.
    TooManyKeys,
    /// 501: a route of the vendor for which this service lacks what it needs.
    NotHere(&'static str),
    /// 413: the export has more spans than allowed.
    TooManySpans(usize),
    /// 413: the export has more attributes, events, links and values than allowed.
    TooManyParts(usize),
    /// 413: values are nested too deeply.
    TooDeep,
    /// 413: the packed body unpacks to more than this many bytes.
    UnpacksToTooMuch(usize),
    /// 413: the stored event would have more than this many bytes.
    EventTooLarge(usize),
    Rejected(Rejection),
}

impl From<Rejection> for AgnostError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for AgnostError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl IntoResponse for AgnostError {
    fn into_response(self) -> Response {
        reject::<Agnost>(self)
    }
}

/// An error.
#[derive(Serialize, ToSchema)]
pub struct Envelope {
    #[schema(example = "Invalid request body")]
    error: String,
}

impl AgnostError {
    pub(super) fn render(&self) -> Response {
        let (status, error) = match self {
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, format!("Invalid request body: {message}")),
            Self::Missing(what) => (StatusCode::NOT_FOUND, format!("{what} not found")),
            Self::Full(what) => (StatusCode::UNPROCESSABLE_ENTITY, format!("There cannot be more {what}")),
            Self::TooManyKeys => (StatusCode::CONFLICT, "Too many API keys; delete some to make room".to_owned()),
            Self::NotHere(why) => (StatusCode::NOT_IMPLEMENTED, (*why).to_owned()),
            Self::TooManySpans(limit) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("An export must not have more than {limit} spans"))
            }
            Self::TooManyParts(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("An export must not have more than {limit} attributes, events, links and values"),
            ),
            Self::TooDeep => (StatusCode::PAYLOAD_TOO_LARGE, "The export is nested too deeply".to_owned()),
            Self::UnpacksToTooMuch(limit) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("The body must not unpack to more than {limit} bytes"))
            }
            Self::EventTooLarge(limit) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("What is stored of a capture must not exceed {limit} bytes"))
            }
            Self::Rejected(rejection) => rejected(rejection),
        };
        Reply(status, Envelope { error }).into_response()
    }
}

fn rejected(rejection: &Rejection) -> (StatusCode, String) {
    let body = |why: &str| (StatusCode::BAD_REQUEST, format!("Invalid request body: {why}"));
    let (status, text) = match rejection {
        Rejection::NoRoute => (StatusCode::NOT_FOUND, "Not found"),
        Rejection::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Rejection::MalformedPath => (StatusCode::BAD_REQUEST, "Invalid path"),
        Rejection::MalformedHeader("x-org-id") => {
            (StatusCode::BAD_REQUEST, "x-org-id must be your organization's UUID")
        }
        Rejection::MalformedHeader(name) => return (StatusCode::BAD_REQUEST, format!("Invalid {name} header")),
        Rejection::UnsupportedMediaType(media_type) => {
            let message = format!("The body must be {}", media_type.accepted_in_words());
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, message);
        }
        Rejection::UnsupportedEncoding => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body's Content-Encoding must be gzip or deflate")
        }
        Rejection::BodyTooLarge(limit) => {
            return (StatusCode::PAYLOAD_TOO_LARGE, format!("The body must not exceed {limit} bytes"));
        }
        Rejection::UnreadableBody => return body("it could not be read"),
        Rejection::MalformedJson(fault) => return body(&fault.to_string()),
        Rejection::NotAnObject => return body("it must be a JSON object"),
        Rejection::DuplicateMember => return body("it names a member twice"),
        Rejection::Unauthenticated(Unauthenticated::BadOrg) => {
            (StatusCode::UNAUTHORIZED, "Invalid organization ID or organization not active")
        }
        Rejection::Unauthenticated(Unauthenticated::Missing) => (StatusCode::UNAUTHORIZED, "Authentication required"),
        Rejection::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "Invalid or expired credential"),
        Rejection::Forbidden(Forbidden::Organization | Forbidden::CrossSite) => {
            (StatusCode::FORBIDDEN, "No access to the requested organization")
        }
        Rejection::Forbidden(Forbidden::Address) => {
            (StatusCode::FORBIDDEN, "This API key may not be used from this address")
        }
        Rejection::Forbidden(Forbidden::Scope(scope)) => {
            return (StatusCode::FORBIDDEN, format!("This credential lacks the scope {scope}"));
        }
        Rejection::StillRunning => (StatusCode::CONFLICT, "A request with this Idempotency-Key is still running"),
        Rejection::KeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "This Idempotency-Key belongs to a request with another body")
        }
        Rejection::RateLimited(_) | Rejection::TooManyStreams | Rejection::TooManyConcurrent => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many requests")
        }
        Rejection::StorageFull => (StatusCode::FORBIDDEN, "Storage quota exceeded"),
        Rejection::QueryTooSlow => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The query took too long; narrow its time range or its filters")
        }
        Rejection::Unavailable | Rejection::TimedOut => {
            (StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable, please retry")
        }
        Rejection::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    };
    (status, text.to_owned())
}
