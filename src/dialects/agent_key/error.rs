//! Vectara's envelope: `messages`, `field_errors`, `id` and `request_id`, and as `code` the codes of the vendor's page
//! (docs/dialects/agent-key.md).

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::AgentKeyDialect;
use crate::http::{About, Forbidden, RETRY_AFTER, Rejection, Reply, Unauthenticated, reject};
use crate::store::StoreError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentKeyError {
    /// 400: a member of the body or a query parameter is not valid.
    InvalidField {
        field: &'static str,
        message: String,
    },
    /// 400, with its own code.
    InvalidMetadata(String),
    /// 400: the agent's configuration is too large.
    TooLarge(String),
    AgentNotFound(String),
    /// 409.
    AgentKeyTaken(String),
    /// 403: the agent accepts neither new sessions nor messages.
    AgentDisabled(String),
    SessionNotFound(String),
    /// 409.
    SessionKeyTaken(String),
    /// 409: the session accepts no messages.
    SessionDisabled(String),
    /// 409 with `Retry-After`: the session's last message still waits for its reply.
    SessionBusy(String),
    EventNotFound(String),
    ArtifactNotFound(String),
    /// 422: there is nothing to compact.
    TooFewTurns,
    /// 502: the agent's responder did not reply, or not in time.
    NoReply,
    /// The token endpoint's own errors (RFC 6749, section 5.2).
    Token(TokenError),
    Rejected(Rejection),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// 400, with a description of the fault.
    InvalidRequest(&'static str),
    /// 401.
    InvalidClient,
    /// 400.
    UnsupportedGrantType,
}

impl From<Rejection> for AgentKeyError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for AgentKeyError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl IntoResponse for AgentKeyError {
    fn into_response(self) -> Response {
        reject::<AgentKeyDialect>(self)
    }
}

/// An error. `messages` is always an array, because the vendor's SDK requires one.
#[derive(Serialize, ToSchema)]
pub struct Envelope<'a> {
    /// One of the codes of the vendor's page, if it has one for this error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "invalid_request")]
    code: Option<&'static str>,
    /// The code of RFC 6749; only on the token endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// The same text as `messages`; only on the token endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'a str>,
    /// The id or key that was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// The invalid members of the body, each with a description of the fault.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    field_errors: BTreeMap<&'static str, &'a str>,
    messages: [&'a str; 1],
    #[schema(example = "47332acaa4dd6937fb0ac004cb530a0d")]
    request_id: &'a str,
}

/// Describes how a client must authenticate at the token endpoint.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"oauth2\", charset=\"UTF-8\"");

const INVALID_REQUEST: Option<&str> = Some("invalid_request");

/// The message of [`AgentKeyError::NoReply`], also within a stream.
pub(super) const NO_REPLY: &str = "The agent did not reply.";

impl AgentKeyError {
    pub(super) fn render(&self, about: &About) -> Response {
        let mut id = None;
        let mut error = None;
        let mut field_errors = BTreeMap::new();
        let (status, code, message) = match self {
            Self::InvalidField { field, message } => {
                field_errors.insert(*field, message.as_str());
                (StatusCode::BAD_REQUEST, INVALID_REQUEST, format!("{field}: {message}"))
            }
            Self::InvalidMetadata(message) => {
                field_errors.insert("metadata", message.as_str());
                (StatusCode::BAD_REQUEST, Some("invalid_metadata"), format!("metadata: {message}"))
            }
            Self::AgentNotFound(key) => {
                id = Some(key.as_str());
                (StatusCode::NOT_FOUND, Some("agent_not_found"), format!("Agent with key '{key}' does not exist."))
            }
            Self::AgentDisabled(key) => (
                StatusCode::FORBIDDEN,
                Some("forbidden"),
                format!("Agent '{key}' is disabled and takes no new sessions."),
            ),
            Self::TooLarge(message) => (StatusCode::BAD_REQUEST, INVALID_REQUEST, message.clone()),
            Self::AgentKeyTaken(key) => {
                (StatusCode::CONFLICT, None, format!("An agent with key '{key}' already exists."))
            }
            Self::SessionDisabled(key) => {
                (StatusCode::CONFLICT, None, format!("Session '{key}' is disabled and takes no messages."))
            }
            Self::SessionBusy(key) => {
                (StatusCode::CONFLICT, None, format!("Session '{key}' is still replying to its last message."))
            }
            Self::EventNotFound(event) => {
                id = Some(event.as_str());
                (StatusCode::NOT_FOUND, None, format!("Event with id '{event}' does not exist."))
            }
            Self::ArtifactNotFound(artifact) => {
                id = Some(artifact.as_str());
                (StatusCode::NOT_FOUND, None, format!("Artifact with id '{artifact}' does not exist."))
            }
            Self::TooFewTurns => {
                (StatusCode::UNPROCESSABLE_ENTITY, None, "There are too few turns to compact.".to_owned())
            }
            Self::NoReply => (StatusCode::BAD_GATEWAY, None, NO_REPLY.to_owned()),
            Self::Token(token_error) => {
                let (status, code, oauth_code, message) = match token_error {
                    TokenError::InvalidRequest(fault) => {
                        (StatusCode::BAD_REQUEST, INVALID_REQUEST, "invalid_request", *fault)
                    }
                    TokenError::InvalidClient => (
                        StatusCode::UNAUTHORIZED,
                        Some("unauthorized"),
                        "invalid_client",
                        "The client id or the client secret is not valid.",
                    ),
                    TokenError::UnsupportedGrantType => (
                        StatusCode::BAD_REQUEST,
                        INVALID_REQUEST,
                        "unsupported_grant_type",
                        "The grant type must be client_credentials.",
                    ),
                };
                error = Some(oauth_code);
                (status, code, message.to_owned())
            }
            Self::SessionNotFound(key) => {
                id = Some(key.as_str());
                (StatusCode::NOT_FOUND, None, format!("Session with key '{key}' does not exist."))
            }
            Self::SessionKeyTaken(key) => {
                (StatusCode::CONFLICT, None, format!("A session with key '{key}' already exists."))
            }
            Self::Rejected(rejection) => rejected(rejection),
        };
        let request_id = about.request_id.as_str();
        let error_description = error.map(|_| message.as_str());
        let envelope = Envelope { code, error, error_description, id, field_errors, messages: [&message], request_id };
        let mut response = Reply(status, envelope).into_response();
        if *self == Self::Token(TokenError::InvalidClient) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if matches!(self, Self::SessionBusy(_)) {
            // The vendor's SDK waits for this time before it sends the message again.
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}

fn rejected(rejection: &Rejection) -> (StatusCode, Option<&'static str>, String) {
    let invalid = |message: String| (StatusCode::BAD_REQUEST, INVALID_REQUEST, message);
    let (status, code, message) = match rejection {
        Rejection::NoRoute => (StatusCode::NOT_FOUND, None, "There is nothing at this path."),
        Rejection::NoMethod => (StatusCode::METHOD_NOT_ALLOWED, None, "This path has no such method."),
        Rejection::MalformedPath => return invalid("The path must be valid UTF-8.".to_owned()),
        Rejection::MalformedHeader(name) => return invalid(format!("{name} must be one valid header.")),
        Rejection::UnsupportedMediaType(media_type) => {
            let message = format!("The body must be {}.", media_type.accepted_in_words());
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, message);
        }
        Rejection::UnsupportedEncoding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            INVALID_REQUEST,
            "The body's Content-Encoding must be gzip or deflate.",
        ),
        Rejection::BodyTooLarge(limit) => {
            let message = format!("The body must not exceed {limit} bytes.");
            return (StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, message);
        }
        Rejection::UnreadableBody => return invalid("The body could not be read.".to_owned()),
        Rejection::MalformedJson(fault) => return invalid(format!("Malformed body: {fault}.")),
        Rejection::NotAnObject => return invalid("The body must be a JSON object.".to_owned()),
        Rejection::DuplicateMember => return invalid("The body names a member twice.".to_owned()),
        Rejection::Unauthenticated(Unauthenticated::Missing | Unauthenticated::BadOrg) => {
            (StatusCode::UNAUTHORIZED, Some("unauthorized"), "An API key or a token is required.")
        }
        Rejection::Unauthenticated(_) => {
            (StatusCode::UNAUTHORIZED, Some("unauthorized"), "The API key or token is not valid.")
        }
        Rejection::Forbidden(Forbidden::Scope(scope)) => {
            let message = format!("This credential lacks the scope {scope}.");
            return (StatusCode::FORBIDDEN, Some("forbidden"), message);
        }
        Rejection::Forbidden(Forbidden::Organization | Forbidden::CrossSite) => {
            (StatusCode::FORBIDDEN, Some("forbidden"), "This credential has no access to the requested organization.")
        }
        Rejection::Forbidden(Forbidden::Address) => {
            (StatusCode::FORBIDDEN, Some("forbidden"), "This API key may not be used from this address.")
        }
        Rejection::StillRunning => {
            (StatusCode::CONFLICT, None, "A request with this Idempotency-Key is still running.")
        }
        Rejection::KeyReused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            INVALID_REQUEST,
            "This Idempotency-Key belongs to a request with another body.",
        ),
        Rejection::StorageFull => {
            (StatusCode::FORBIDDEN, Some("storage_quota_exceeded"), "The organization's storage quota is used up.")
        }
        Rejection::QueryTooSlow => {
            (StatusCode::UNPROCESSABLE_ENTITY, INVALID_REQUEST, "The query took too long. Narrow it and try again.")
        }
        Rejection::RateLimited(_) | Rejection::TooManyStreams | Rejection::TooManyConcurrent => (
            StatusCode::TOO_MANY_REQUESTS,
            Some("rate_limit_exceeded"),
            "Too many requests. Retry after the time given in Retry-After.",
        ),
        Rejection::Unavailable | Rejection::TimedOut => {
            (StatusCode::SERVICE_UNAVAILABLE, None, "The service is temporarily unavailable.")
        }
        Rejection::Internal => (StatusCode::INTERNAL_SERVER_ERROR, None, "Something went wrong."),
    };
    (status, code, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn errors_of_sessions_are_worded_in_the_envelope() {
        let about = About { request_id: "r".to_owned(), now: Timestamp::UNIX_EPOCH };
        let key = || "k".to_owned();
        for (error, status, body) in [
            (
                AgentKeyError::InvalidField { field: "name", message: "is required".to_owned() },
                400,
                r#"{"code":"invalid_request","field_errors":{"name":"is required"},"messages":["name: is required"],"request_id":"r"}"#,
            ),
            (
                AgentKeyError::InvalidMetadata("must be an object".to_owned()),
                400,
                r#"{"code":"invalid_metadata","field_errors":{"metadata":"must be an object"},"messages":["metadata: must be an object"],"request_id":"r"}"#,
            ),
            (
                AgentKeyError::AgentDisabled(key()),
                403,
                r#"{"code":"forbidden","messages":["Agent 'k' is disabled and takes no new sessions."],"request_id":"r"}"#,
            ),
            (
                AgentKeyError::AgentNotFound(key()),
                404,
                r#"{"code":"agent_not_found","id":"k","messages":["Agent with key 'k' does not exist."],"request_id":"r"}"#,
            ),
            (
                AgentKeyError::SessionNotFound(key()),
                404,
                r#"{"id":"k","messages":["Session with key 'k' does not exist."],"request_id":"r"}"#,
            ),
            (
                AgentKeyError::SessionKeyTaken(key()),
                409,
                r#"{"messages":["A session with key 'k' already exists."],"request_id":"r"}"#,
            ),
        ] {
            let response = error.render(&about);
            assert_eq!(response.status(), status, "{error:?}");
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(String::from_utf8_lossy(&bytes), body, "{error:?}");
        }
    }
}
