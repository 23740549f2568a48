//! The errors of this API: `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::Sessionary;
use crate::http::{About, Forbidden, Rejection, Reply, Unauthenticated, reject};
use crate::store::StoreError;

/// What is wrong with one part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// The member of the body, as a JSON Pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/name")]
    pointer: Option<String>,
    /// The parameter of the query or of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
    #[schema(example = "must have 1 to 200 characters")]
    detail: String,
}

impl Fault {
    /// Returns the fault of a member of the body.
    pub(super) fn member(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, detail: detail.into() }
    }

    /// Returns the fault of a member that the body must not have.
    pub(super) fn unknown_member(name: &str) -> Self {
        let name: String = name.chars().take(100).collect();
        Self::member(format!("/{}", name.replace('~', "~0").replace('/', "~1")), "is not a member of this body")
    }

    /// Returns the fault of a parameter.
    pub(super) fn parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name), detail: detail.into() }
    }

    /// Returns the fault of a parameter that the operation does not have.
    pub(super) fn unknown_parameter(name: &str) -> Self {
        let name: String = name.chars().take(100).collect();
        Self::of_request(format!("There is no parameter {name:?}."))
    }

    /// Returns whether this member has the fault.
    pub(super) fn is_at(&self, pointer: &str) -> bool {
        self.pointer.as_deref() == Some(pointer)
    }

    /// Returns a fault that no single member or parameter has.
    pub(super) fn of_request(detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, detail: detail.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.parameter.or(self.pointer.as_deref()) {
            Some(part) => write!(f, "{part} {}.", self.detail),
            None => f.write_str(&self.detail),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionaryError {
    /// 400: query parameters are not valid, or unknown.
    InvalidQuery(Vec<Fault>),
    /// 422: the body is a JSON object, but its members are not valid.
    InvalidBody(Vec<Fault>),
    /// 400: the cursor was not returned by this list with these filters.
    InvalidCursor,
    /// 404: there is no such object of this kind in the organization.
    NotFound(&'static str),
    /// 409: the current state does not permit the request.
    Conflict {
        code: &'static str,
        detail: String,
    },
    /// 403 for a reason other than a scope.
    Forbidden {
        code: &'static str,
        detail: String,
    },
    /// 422: the body is valid, but cannot be used for this object.
    Unusable {
        code: &'static str,
        detail: &'static str,
    },
    /// 502: the responder did not reply.
    NoReply(String),
    /// 412: `If-Match` does not name the current version.
    PreconditionFailed,
    Rejected(Rejection),
}

impl From<Rejection> for SessionaryError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for SessionaryError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl IntoResponse for SessionaryError {
    fn into_response(self) -> Response {
        reject::<Sessionary>(self)
    }
}

/// An error.
#[derive(Serialize, ToSchema)]
pub struct Problem<'a> {
    #[serde(rename = "type")]
    #[schema(example = "urn:sessionary:problem:invalid_body")]
    kind: String,
    #[schema(example = "The request is not valid.")]
    title: &'static str,
    #[schema(example = 422)]
    status: u16,
    detail: &'a str,
    /// The last part of `type`, for programs.
    #[schema(example = "invalid_body")]
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

/// The parts of an error that depend on its cause.
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl SessionaryError {
    /// Returns what is wrong, for people.
    pub(super) fn detail(&self) -> String {
        self.parts().detail
    }

    pub(super) fn render(&self, about: &About) -> Response {
        let Parts { status, code, detail } = self.parts();
        let errors: &[Fault] = match self {
            Self::InvalidQuery(faults) | Self::InvalidBody(faults) => faults,
            _ => &[],
        };
        let problem = Problem {
            kind: format!("urn:sessionary:problem:{code}"),
            title: title(status),
            status: status.as_u16(),
            detail: &detail,
            code,
            request_id: &about.request_id,
            errors,
        };
        let mut response = Reply(status, problem).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }

    fn parts(&self) -> Parts {
        let parts = |status, code, detail: &str| Parts { status, code, detail: detail.to_owned() };
        match self {
            Self::InvalidQuery(_) => {
                parts(StatusCode::BAD_REQUEST, "invalid_query", "A query parameter is not valid; see errors.")
            }
            Self::InvalidBody(_) => {
                parts(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", "The body is not valid; see errors.")
            }
            Self::InvalidCursor => parts(
                StatusCode::BAD_REQUEST,
                "invalid_cursor",
                "The cursor is not one of this list with these filters.",
            ),
            Self::NotFound(kind) => {
                Parts { status: StatusCode::NOT_FOUND, code: "not_found", detail: format!("There is no such {kind}.") }
            }
            Self::Conflict { code, detail } => Parts { status: StatusCode::CONFLICT, code, detail: detail.clone() },
            Self::Forbidden { code, detail } => Parts { status: StatusCode::FORBIDDEN, code, detail: detail.clone() },
            Self::Unusable { code, detail } => parts(StatusCode::UNPROCESSABLE_ENTITY, code, detail),
            Self::NoReply(detail) => parts(StatusCode::BAD_GATEWAY, "no_reply", detail),
            Self::PreconditionFailed => parts(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "The object has changed since the version that If-Match names.",
            ),
            Self::Rejected(rejection) => rejected(rejection),
        }
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "The request is not valid.",
        StatusCode::UNAUTHORIZED => "Authentication is required.",
        StatusCode::FORBIDDEN => "The credential does not permit this.",
        StatusCode::NOT_FOUND => "Not found.",
        StatusCode::METHOD_NOT_ALLOWED => "Method not allowed.",
        StatusCode::CONFLICT => "Conflict.",
        StatusCode::PRECONDITION_FAILED => "Precondition failed.",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Unsupported media type.",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests.",
        StatusCode::BAD_GATEWAY => "There was no reply.",
        StatusCode::SERVICE_UNAVAILABLE => "The service is overloaded.",
        _ => "Internal error.",
    }
}

fn rejected(rejection: &Rejection) -> Parts {
    let parts = |status, code, detail: &str| Parts { status, code, detail: detail.to_owned() };
    let bad = |code, detail: &str| parts(StatusCode::BAD_REQUEST, code, detail);
    match rejection {
        Rejection::NoRoute => parts(StatusCode::NOT_FOUND, "no_route", "There is no such path."),
        Rejection::NoMethod => {
            parts(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The path does not have this method.")
        }
        Rejection::MalformedPath => bad("invalid_path", "The path is not valid UTF-8."),
        Rejection::MalformedHeader(name) => bad("invalid_header", &format!("The header {name} is not valid.")),
        Rejection::UnsupportedMediaType(media_type) => parts(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            &format!("The body must be {}.", media_type.accepted_in_words()),
        ),
        Rejection::UnsupportedEncoding => parts(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "The body's Content-Encoding must be gzip or deflate.",
        ),
        Rejection::BodyTooLarge(limit) => parts(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            &format!("The body must have at most {limit} bytes."),
        ),
        Rejection::UnreadableBody => bad("unreadable_body", "The body ended early or arrived too slowly."),
        Rejection::MalformedJson(fault) => bad("invalid_json", &format!("The body is not valid JSON: {fault}.")),
        Rejection::NotAnObject => bad("invalid_json", "The body must be a JSON object."),
        Rejection::DuplicateMember => bad("invalid_json", "An object of the body has a member twice."),
        Rejection::Unauthenticated(cause) => parts(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            match cause {
                Unauthenticated::Missing | Unauthenticated::BadOrg => "The request has no credential.",
                Unauthenticated::BadKey => "The API key is not valid.",
                Unauthenticated::BadToken => "The token is not valid.",
            },
        ),
        Rejection::Forbidden(Forbidden::Scope(scope)) => {
            parts(StatusCode::FORBIDDEN, "missing_scope", &format!("The credential lacks the scope {scope}."))
        }
        Rejection::Forbidden(Forbidden::Organization) => {
            parts(StatusCode::FORBIDDEN, "wrong_organization", "The credential has no access to the organization.")
        }
        Rejection::Forbidden(Forbidden::CrossSite) => parts(
            StatusCode::FORBIDDEN,
            "cross_site",
            "A request with the console's cookie must come from a page of this service.",
        ),
        Rejection::Forbidden(Forbidden::Address) => parts(
            StatusCode::FORBIDDEN,
            "address_not_allowed",
            "The credential may not be used from the client's address.",
        ),
        Rejection::StillRunning => {
            parts(StatusCode::CONFLICT, "still_running", "A request with the same Idempotency-Key is still running.")
        }
        Rejection::KeyReused => parts(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "The Idempotency-Key belongs to a request with another body.",
        ),
        Rejection::RateLimited(_) => {
            parts(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Retry after the number of seconds in Retry-After.")
        }
        Rejection::TooManyStreams => {
            parts(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", "The organization has too many open streams.")
        }
        Rejection::TooManyConcurrent => parts(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_concurrent",
            "The organization has too many such requests in progress.",
        ),
        Rejection::StorageFull => {
            parts(StatusCode::FORBIDDEN, "storage_full", "The organization's storage quota is used up.")
        }
        Rejection::QueryTooSlow => {
            parts(StatusCode::UNPROCESSABLE_ENTITY, "query_too_slow", "The query took too long; narrow it.")
        }
        Rejection::Unavailable | Rejection::TimedOut => parts(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The service is overloaded; retry after the given number of seconds.",
        ),
        Rejection::Internal => parts(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The service has failed."),
    }
}
