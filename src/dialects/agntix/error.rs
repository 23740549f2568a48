//! Agntix's envelope: the superset of its three documented versions (docs/dialects/agntix.md).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::agntix::Agntix;
use crate::dialects::shared::time::Seconds;
use crate::http::{About, Forbidden, Rejection, Reply, reject};
use crate::store::StoreError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgntixError {
    /// A member of the body, a query parameter or a cursor is not valid.
    Validation(String),
    AgentNotFound,
    /// The agent is paused, so it accepts no new sessions.
    AgentInactive,
    SessionNotFound,
    /// The session accepts no more messages, because a client closed it.
    SessionClosed,
    /// The session accepts no more messages, because it got none for the idle time-out.
    SessionExpired,
    /// The agent is paused, or has no responder.
    NoResponder,
    /// The message was stored, but no reply arrived.
    NoReply,
    /// The deployment does not offer the model.
    ModelNotSupported,
    ContactNotFound,
    KeyNotFound,
    /// 409: the organization has reached its limit of valid keys.
    TooManyKeys,
    /// 403: a key would be valid for longer than the API key that creates or changes it.
    KeyOutlivesCaller,
    /// Another contact has the external id.
    ContactTaken,
    Rejected(Rejection),
}

impl From<Rejection> for AgntixError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for AgntixError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl IntoResponse for AgntixError {
    fn into_response(self) -> Response {
        reject::<Agntix>(self)
    }
}

/// An error.
#[derive(Serialize, ToSchema)]
pub struct Envelope<'a> {
    error: ErrorBody<'a>,
    meta: Meta<'a>,
}

#[derive(Serialize, ToSchema)]
struct ErrorBody<'a> {
    #[schema(example = "VALIDATION_ERROR")]
    code: &'static str,
    #[schema(example = "agentId must be a UUID")]
    message: &'a str,
    #[schema(example = 400)]
    status: u16,
    #[serde(rename = "requestId")]
    request_id: &'a str,
}

#[derive(Serialize, ToSchema)]
struct Meta<'a> {
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Seconds,
}

/// An error after a stream has begun.
#[derive(Serialize)]
pub(super) struct InStream {
    error: InStreamBody,
}

#[derive(Serialize)]
struct InStreamBody {
    code: &'static str,
    message: String,
    status: u16,
}

impl AgntixError {
    pub(super) fn in_stream(&self) -> InStream {
        let (status, code, message) = self.parts();
        InStream { error: InStreamBody { code, message, status: status.as_u16() } }
    }

    pub(super) fn render(&self, about: &About) -> Response {
        let (status, code, message) = self.parts();
        let request_id = format!("req_{}", about.request_id);
        Reply(
            status,
            Envelope {
                error: ErrorBody { code, message: &message, status: status.as_u16(), request_id: &request_id },
                meta: Meta { request_id: &request_id, timestamp: Seconds(about.now) },
            },
        )
        .into_response()
    }

    fn parts(&self) -> (StatusCode, &'static str, String) {
        let fixed = |status, code, message: &str| (status, code, message.to_owned());
        match self {
            Self::Validation(message) => (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message.clone()),
            Self::AgentNotFound => fixed(StatusCode::NOT_FOUND, "NOT_FOUND", "Agent not found."),
            Self::AgentInactive => fixed(StatusCode::BAD_REQUEST, "SESSION_CREATION_ERROR", "The agent is not active."),
            Self::SessionNotFound => fixed(
                StatusCode::NOT_FOUND,
                "SESSION_NOT_FOUND",
                "The session you requested does not exist or has expired.",
            ),
            Self::SessionClosed => fixed(
                StatusCode::BAD_REQUEST,
                "INVALID_SESSION",
                "The session is closed; make sure the session is in OPEN state.",
            ),
            Self::SessionExpired => fixed(StatusCode::BAD_REQUEST, "SESSION_EXPIRED", "The session has expired."),
            Self::NoResponder => {
                fixed(StatusCode::UNPROCESSABLE_ENTITY, "CONFIG_NOT_FOUND", "Nothing replies to this agent's messages.")
            }
            Self::NoReply => {
                fixed(StatusCode::BAD_GATEWAY, "GENERIC_ERROR", "The message was stored, but no reply arrived.")
            }
            Self::ModelNotSupported => {
                fixed(StatusCode::UNPROCESSABLE_ENTITY, "MODELS_NOT_FOUND", "This model is not supported.")
            }
            Self::ContactNotFound => fixed(StatusCode::NOT_FOUND, "NOT_FOUND", "Contact not found."),
            Self::KeyNotFound => fixed(StatusCode::NOT_FOUND, "NOT_FOUND", "API key not found."),
            Self::TooManyKeys => {
                fixed(StatusCode::CONFLICT, "CONFLICT", "Too many API keys; revoke some to make room.")
            }
            Self::KeyOutlivesCaller => fixed(
                StatusCode::FORBIDDEN,
                "FORBIDDEN",
                "expiresAt must not be later than that of the API key that this request came with.",
            ),
            Self::ContactTaken => {
                fixed(StatusCode::CONFLICT, "CONFLICT", "A contact with this externalId already exists.")
            }
            Self::Rejected(rejection) => rejected(rejection),
        }
    }
}

fn rejected(rejection: &Rejection) -> (StatusCode, &'static str, String) {
    let validation = |message: &str| (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message.to_owned());
    let (status, code, message) = match rejection {
        Rejection::NoRoute => (StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing at this path."),
        Rejection::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "This path has no such method."),
        Rejection::MalformedPath => return validation("the path must be valid UTF-8"),
        Rejection::MalformedHeader(name) => return validation(&format!("{name} must be one valid header")),
        Rejection::UnsupportedMediaType(media_type) => {
            let message = format!("The body must be {}.", media_type.accepted_in_words());
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message);
        }
        Rejection::UnsupportedEncoding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "The body's Content-Encoding must be gzip or deflate.",
        ),
        Rejection::BodyTooLarge(limit) => {
            let message = format!("The body must not exceed {limit} bytes.");
            return (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message);
        }
        Rejection::UnreadableBody => return validation("the body could not be read"),
        Rejection::MalformedJson(fault) => return validation(&fault.to_string()),
        Rejection::NotAnObject => return validation("the body must be a JSON object"),
        Rejection::DuplicateMember => return validation("the body must not name a member twice"),
        Rejection::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Authentication required."),
        Rejection::Forbidden(Forbidden::Scope(scope)) => {
            return (StatusCode::FORBIDDEN, "FORBIDDEN", format!("This credential lacks the scope {scope}."));
        }
        Rejection::Forbidden(Forbidden::Organization | Forbidden::CrossSite) => {
            (StatusCode::FORBIDDEN, "FORBIDDEN", "This credential has no access to the requested organization.")
        }
        Rejection::Forbidden(Forbidden::Address) => {
            (StatusCode::FORBIDDEN, "FORBIDDEN", "This API key may not be used from this address.")
        }
        Rejection::StillRunning => {
            (StatusCode::CONFLICT, "IDEMPOTENCY_CONFLICT", "A request with this Idempotency-Key is still running.")
        }
        Rejection::KeyReused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_KEY_REUSED",
            "This Idempotency-Key belongs to a request with another body.",
        ),
        Rejection::RateLimited(_) | Rejection::TooManyStreams | Rejection::TooManyConcurrent => {
            (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", "Too many requests. Please retry later.")
        }
        Rejection::StorageFull => {
            (StatusCode::FORBIDDEN, "STORAGE_QUOTA_EXCEEDED", "The organization's storage quota is used up.")
        }
        Rejection::QueryTooSlow => {
            (StatusCode::UNPROCESSABLE_ENTITY, "QUERY_TOO_SLOW", "The query took too long. Narrow it and try again.")
        }
        Rejection::Unavailable | Rejection::TimedOut => {
            (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "Please retry in a moment.")
        }
        Rejection::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "GENERIC_ERROR", "Something went wrong."),
    };
    (status, code, message.to_owned())
}
