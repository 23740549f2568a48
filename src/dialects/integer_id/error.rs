//! Agent Human's envelope: `{"success": false, "error": "<text>"}` (docs/dialects/integer-id.md).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::integer_id::IntegerId;
use crate::http::{Forbidden, Rejection, Reply, Unauthenticated, reject};
use crate::store::StoreError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntegerIdError {
    /// 400: a member of the body or a query parameter is not valid.
    Invalid(&'static str),
    /// The agent of a new session or of a list is unknown, archived or of another organization.
    AgentNotFound,
    SessionNotFound,
    /// The session has ended and accepts no more messages.
    SessionEnded,
    /// The agent to read or to delete does not exist.
    NoSuchAgent,
    /// The text is not a number that a user could have.
    NoSuchUser,
    /// No image has this address.
    ImageNotFound,
    /// An error without `success`, for the routes whose pages show none: changes of agents and avatars.
    Bare(Bare),
    Rejected(Rejection),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    Invalid(&'static str),
    AgentNotFound,
    AvatarNotFound,
    /// 415: the uploaded file is not an image.
    NoImage,
    /// 413.
    FileTooLarge,
    /// 409: the organization has reached its limit of images.
    TooManyImages,
}

impl From<Bare> for IntegerIdError {
    fn from(bare: Bare) -> Self {
        Self::Bare(bare)
    }
}

impl From<Rejection> for IntegerIdError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for IntegerIdError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl IntoResponse for IntegerIdError {
    fn into_response(self) -> Response {
        reject::<IntegerId>(self)
    }
}

/// An error.
#[derive(Serialize, ToSchema)]
pub struct Envelope {
    #[schema(example = false)]
    success: bool,
    #[schema(example = "Agent not found or access denied")]
    error: String,
}

/// An error of the routes that change agents and avatars.
#[derive(Serialize, ToSchema)]
pub struct BareEnvelope {
    #[schema(example = "Avatar not found")]
    error: &'static str,
}

impl Bare {
    fn render(self) -> Response {
        let (status, error) = match self {
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, message),
            Self::AgentNotFound => (StatusCode::NOT_FOUND, "Agent not found"),
            Self::AvatarNotFound => (StatusCode::NOT_FOUND, "Avatar not found"),
            Self::NoImage => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The file must be a PNG, JPEG, GIF or WebP image"),
            Self::FileTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The file must not exceed 5 MiB"),
            Self::TooManyImages => (StatusCode::CONFLICT, "Too many uploaded images; delete avatars to make room"),
        };
        Reply(status, BareEnvelope { error }).into_response()
    }
}

impl IntegerIdError {
    pub(super) fn render(&self) -> Response {
        let (status, error) = match self {
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, (*message).to_owned()),
            Self::AgentNotFound => (StatusCode::NOT_FOUND, "Agent not found or access denied".to_owned()),
            Self::SessionNotFound => (StatusCode::NOT_FOUND, "Session not found".to_owned()),
            Self::SessionEnded => (StatusCode::CONFLICT, "Session has ended".to_owned()),
            Self::NoSuchAgent => (StatusCode::NOT_FOUND, "Agent not found".to_owned()),
            Self::NoSuchUser => (StatusCode::NOT_FOUND, "User not found".to_owned()),
            Self::ImageNotFound => (StatusCode::NOT_FOUND, "Image not found".to_owned()),
            Self::Bare(bare) => return bare.render(),
            Self::Rejected(rejection) => rejected(rejection),
        };
        Reply(status, Envelope { success: false, error }).into_response()
    }
}

fn rejected(rejection: &Rejection) -> (StatusCode, String) {
    let (status, text) = match rejection {
        Rejection::NoRoute => (StatusCode::NOT_FOUND, "Not found"),
        Rejection::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Rejection::MalformedPath => (StatusCode::BAD_REQUEST, "Invalid path"),
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
        Rejection::UnreadableBody => (StatusCode::BAD_REQUEST, "The body could not be read"),
        Rejection::MalformedJson(fault) => return (StatusCode::BAD_REQUEST, format!("Invalid JSON: {fault}")),
        Rejection::NotAnObject => (StatusCode::BAD_REQUEST, "The body must be a JSON object"),
        Rejection::DuplicateMember => (StatusCode::BAD_REQUEST, "The body names a member twice"),
        Rejection::Unauthenticated(Unauthenticated::Missing | Unauthenticated::BadOrg) => {
            (StatusCode::UNAUTHORIZED, "API key required")
        }
        Rejection::Unauthenticated(Unauthenticated::BadKey) => (StatusCode::UNAUTHORIZED, "Invalid API key"),
        Rejection::Unauthenticated(Unauthenticated::BadToken) => (StatusCode::UNAUTHORIZED, "Invalid or expired token"),
        Rejection::Forbidden(Forbidden::Scope(scope)) => {
            return (StatusCode::FORBIDDEN, format!("This credential lacks the scope {scope}"));
        }
        Rejection::Forbidden(Forbidden::Organization | Forbidden::CrossSite) => {
            (StatusCode::FORBIDDEN, "No access to the requested organization")
        }
        Rejection::Forbidden(Forbidden::Address) => {
            (StatusCode::FORBIDDEN, "This API key may not be used from this address")
        }
        Rejection::StillRunning => (StatusCode::CONFLICT, "A request with this Idempotency-Key is still running"),
        Rejection::KeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "This Idempotency-Key belongs to a request with another body")
        }
        Rejection::RateLimited(_) | Rejection::TooManyStreams | Rejection::TooManyConcurrent => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please retry after 1 minute.")
        }
        Rejection::StorageFull => (StatusCode::FORBIDDEN, "Storage quota exceeded"),
        Rejection::QueryTooSlow => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The query took too long, please narrow it and try again")
        }
        Rejection::Unavailable | Rejection::TimedOut => {
            (StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable, please retry")
        }
        Rejection::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    };
    (status, text.to_owned())
}
