//! ElizaOS's envelopes: errors of sessions are `{"error": {code, message, timestamp, details?}}`, those of the server
//! around them `{"success": false, "error": {…}}` or, for a missing key, two texts (docs/dialects/messaging.md).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::dialects::messaging::Messaging;
use crate::dialects::shared::document::with_nested;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{JsonText, Timestamp};
use crate::http::{About, Forbidden, MediaType, Rejection, Reply, reject};
use crate::store::StoreError;

#[derive(Clone, Debug, PartialEq)]
pub enum MessagingError {
    /// 400: `agentId` or `userId` is missing or not a string.
    MissingFields,
    /// 400: a text must be a UUID and is not.
    InvalidUuid {
        field: &'static str,
        value: String,
    },
    /// 400.
    InvalidMetadata {
        reason: String,
        given: JsonText,
    },
    /// 400: a message's text or its transport.
    InvalidContent(String),
    /// 400.
    InvalidTimeout {
        reason: String,
        given: Option<JsonText>,
    },
    /// 400: a query parameter.
    InvalidPagination {
        parameter: &'static str,
        value: String,
        reason: &'static str,
    },
    /// 400: the session has reached its longest duration.
    RenewalFailed {
        id: String,
        reason: &'static str,
    },
    AgentNotFound(String),
    SessionNotFound(String),
    /// 410, for the first request after the expiry.
    SessionExpired {
        id: String,
        at: Timestamp,
    },
    /// 500: the message was stored, but the responder did not reply.
    NoReply,
    /// 400: a worker's message is not valid.
    InvalidSubmission(&'static str),
    /// 404: no session of the organization has this channel.
    ChannelNotFound,
    /// The body is not a JSON object, or is a form. Each operation has its own message for it.
    NoObject,
    Rejected(Rejection),
}

impl From<Rejection> for MessagingError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            // ElizaOS accepts forms and reads nothing from them.
            Rejection::NotAnObject | Rejection::UnsupportedMediaType(MediaType::Form) => Self::NoObject,
            rejection => Self::Rejected(rejection),
        }
    }
}

impl From<StoreError> for MessagingError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl IntoResponse for MessagingError {
    fn into_response(self) -> Response {
        reject::<Messaging>(self)
    }
}

/// An error of a session.
#[derive(Serialize, ToSchema)]
pub struct Envelope {
    error: SessionError,
}

#[derive(Serialize, ToSchema)]
struct SessionError {
    #[schema(example = "VALIDATION_ERROR")]
    code: &'static str,
    #[schema(example = "Missing required fields: agentId, userId")]
    message: String,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Milliseconds,
    /// Details, which depend on the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Details>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details {
    #[serde(rename_all = "camelCase")]
    Missing {
        missing_fields: [&'static str; 2],
    },
    #[serde(rename_all = "camelCase")]
    Uuid {
        provided_value: String,
        expected_format: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    Metadata {
        reason: String,
        provided_metadata: JsonText,
    },
    #[serde(rename_all = "camelCase")]
    Timeout {
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        provided_config: Option<JsonText>,
    },
    Pagination {
        parameter: &'static str,
        value: String,
        reason: &'static str,
    },
    Reason {
        reason: String,
    },
}

/// An error of the server around the sessions.
#[derive(Serialize, ToSchema)]
pub struct ServerEnvelope {
    /// Always `false`.
    success: bool,
    #[schema(value_type = Described)]
    error: ServerError,
}

#[derive(Serialize)]
struct ServerError {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: String,
    /// The status as the code, for errors without a named code.
    #[serde(rename = "code", skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// A text, or an object.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
enum Described {
    Text(String),
    Coded { code: Code, message: String },
}

/// The name of the error, or the status if it has none.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only for the OpenAPI document")]
enum Code {
    Name(String),
    Status(u16),
}

/// Returns the schemas of the errors, by name.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = with_nested::<Envelope>("Envelope");
    schemas.extend(with_nested::<ServerEnvelope>("ServerEnvelope"));
    schemas.extend(with_nested::<KeyRequired>("KeyRequired"));
    schemas
}

/// An error of the messages: one text.
#[derive(Serialize)]
struct Plain {
    success: bool,
    error: &'static str,
}

/// The response to a missing key: two texts.
#[derive(Serialize, ToSchema)]
struct KeyRequired {
    error: &'static str,
    message: &'static str,
}

impl MessagingError {
    pub(super) fn render(&self, about: &About) -> Response {
        let session = |status, code, message: String, details| {
            let error = SessionError { code, message, timestamp: Milliseconds(about.now), details };
            Reply(status, Envelope { error }).into_response()
        };
        let validation =
            |message: String, details| session(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message, Some(details));
        match self {
            Self::MissingFields | Self::NoObject => validation(
                "Missing required fields: agentId, userId".to_owned(),
                Details::Missing { missing_fields: ["agentId", "userId"] },
            ),
            Self::InvalidUuid { field, value } => validation(
                format!("Invalid UUID format for field '{field}'"),
                Details::Uuid { provided_value: value.clone(), expected_format: "UUID v4" },
            ),
            Self::InvalidMetadata { reason, given } => validation(
                format!("Invalid metadata: {reason}"),
                Details::Metadata { reason: reason.clone(), provided_metadata: given.clone() },
            ),
            Self::InvalidContent(reason) => {
                validation(format!("Invalid content: {reason}"), Details::Reason { reason: reason.clone() })
            }
            Self::InvalidTimeout { reason, given } => validation(
                format!("Invalid timeout configuration: {reason}"),
                Details::Timeout { reason: reason.clone(), provided_config: given.clone() },
            ),
            Self::InvalidPagination { parameter, value, reason } => validation(
                format!("Invalid pagination parameter '{parameter}': {reason}"),
                Details::Pagination { parameter, value: value.clone(), reason },
            ),
            Self::RenewalFailed { id, reason } => session(
                StatusCode::BAD_REQUEST,
                "SESSION_RENEWAL_FAILED",
                format!("Cannot renew session '{id}': {reason}"),
                None,
            ),
            Self::AgentNotFound(id) => {
                session(StatusCode::NOT_FOUND, "AGENT_NOT_FOUND", format!("Agent with ID '{id}' not found"), None)
            }
            Self::SessionNotFound(id) => {
                session(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", format!("Session with ID '{id}' not found"), None)
            }
            Self::SessionExpired { id, at } => session(
                StatusCode::GONE,
                "SESSION_EXPIRED",
                format!("Session '{id}' expired at {}", Milliseconds(*at)),
                None,
            ),
            Self::NoReply => plain(StatusCode::INTERNAL_SERVER_ERROR, "Failed to process message in HTTP transport"),
            Self::InvalidSubmission(error) => plain(StatusCode::BAD_REQUEST, error),
            Self::ChannelNotFound => plain(StatusCode::NOT_FOUND, "Channel not found"),
            Self::Rejected(Rejection::Internal) => session(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_SERVER_ERROR",
                "An unexpected error occurred".to_owned(),
                None,
            ),
            Self::Rejected(Rejection::Unauthenticated(_)) => Reply(
                StatusCode::UNAUTHORIZED,
                KeyRequired { error: "API key required", message: "Missing or invalid X-API-KEY header" },
            )
            .into_response(),
            Self::Rejected(rejection) => server(rejection),
        }
    }
}

fn plain(status: StatusCode, error: &'static str) -> Response {
    Reply(status, Plain { success: false, error }).into_response()
}

fn server(rejection: &Rejection) -> Response {
    let (status, code, message) = match rejection {
        Rejection::NoRoute | Rejection::NoMethod => (StatusCode::NOT_FOUND, None, "API endpoint not found".to_owned()),
        Rejection::MalformedPath => (StatusCode::BAD_REQUEST, None, "Failed to decode param".to_owned()),
        Rejection::MalformedHeader(name) => (StatusCode::BAD_REQUEST, None, format!("Invalid {name} header")),
        Rejection::UnsupportedMediaType(MediaType::Charset) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, None, "unsupported charset; send application/json in UTF-8".to_owned())
        }
        Rejection::UnsupportedMediaType(_) => {
            (StatusCode::BAD_REQUEST, Some("INVALID_CONTENT_TYPE"), "Invalid or missing Content-Type header".to_owned())
        }
        Rejection::UnsupportedEncoding => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, None, "unsupported content encoding; send gzip or deflate".to_owned())
        }
        Rejection::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, None, "request entity too large".to_owned()),
        Rejection::UnreadableBody => (StatusCode::BAD_REQUEST, None, "request aborted".to_owned()),
        Rejection::MalformedJson(fault) => (StatusCode::BAD_REQUEST, None, fault.to_string()),
        Rejection::DuplicateMember => (StatusCode::BAD_REQUEST, None, "the body names a member twice".to_owned()),
        Rejection::Forbidden(Forbidden::Scope(scope)) => {
            (StatusCode::FORBIDDEN, Some("FORBIDDEN"), format!("This credential lacks the scope {scope}"))
        }
        Rejection::Forbidden(Forbidden::Organization | Forbidden::CrossSite) => (
            StatusCode::FORBIDDEN,
            Some("FORBIDDEN"),
            "This credential has no access to the requested organization".to_owned(),
        ),
        Rejection::Forbidden(Forbidden::Address) => {
            (StatusCode::FORBIDDEN, Some("FORBIDDEN"), "This API key may not be used from this address".to_owned())
        }
        Rejection::StillRunning => (
            StatusCode::CONFLICT,
            Some("IDEMPOTENCY_CONFLICT"),
            "A request with this Idempotency-Key is still running".to_owned(),
        ),
        Rejection::KeyReused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("IDEMPOTENCY_KEY_REUSED"),
            "This Idempotency-Key belongs to a request with another body".to_owned(),
        ),
        Rejection::RateLimited(_) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("RATE_LIMIT_EXCEEDED"),
            "Too many requests. Please try again later.".to_owned(),
        ),
        Rejection::TooManyStreams => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("RATE_LIMIT_EXCEEDED"),
            "Too many open streams. Please try again later.".to_owned(),
        ),
        Rejection::TooManyConcurrent => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("RATE_LIMIT_EXCEEDED"),
            "Too many requests at once. Please try again later.".to_owned(),
        ),
        Rejection::StorageFull => (
            StatusCode::FORBIDDEN,
            Some("STORAGE_QUOTA_EXCEEDED"),
            "The organization's storage quota is used up.".to_owned(),
        ),
        Rejection::QueryTooSlow => (
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("QUERY_TOO_SLOW"),
            "The query took too long. Narrow it and try again.".to_owned(),
        ),
        Rejection::Unavailable | Rejection::TimedOut => (
            StatusCode::SERVICE_UNAVAILABLE,
            Some("SERVICE_UNAVAILABLE"),
            "Temporarily unavailable. Please try again.".to_owned(),
        ),
        // The session's own envelope has a message for these.
        Rejection::NotAnObject | Rejection::Unauthenticated(_) | Rejection::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, None, "Internal server error".to_owned())
        }
    };
    let number = code.is_none().then_some(status.as_u16());
    Reply(status, ServerEnvelope { success: false, error: ServerError { code, message, status: number } })
        .into_response()
}
