//! The reasons why operations of every dialect reject a request, and which operations have which reasons.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};

use crate::domain::{JsonFault, Scope, Timestamp};
use crate::http::{BODY_LIMIT, Forbidden, MediaType, RateStatus, Rejection, Unauthenticated};

/// A reason why operations of every dialect reject a request.
pub(super) struct Reason {
    /// A part of the component's name, which joins the names of all reasons of one status.
    pub name: &'static str,
    pub description: &'static str,
    pub envelope: Envelope,
    /// `None` if each operation has its own wording. The status is 400 then.
    pub rejection: Option<Rejection>,
    pub applies: fn(&Facts) -> bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Envelope {
    Own,
    Shared,
    /// An operation's own or the shared one, depending on the error.
    Either,
    Credential,
}

/// The properties of an operation that decide which reasons it has.
pub(super) struct Facts {
    pub credential: bool,
    body: bool,
    json: bool,
    path: bool,
    query: bool,
    idempotency_key: bool,
    /// Stores something that counts towards the organization's quota.
    stores: bool,
    streams: bool,
}

impl Facts {
    pub fn of(operation: &Operation) -> Self {
        let parameters = || {
            operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
                RefOr::T(parameter) => Some(parameter),
                RefOr::Ref(_) => None,
            })
        };
        let within = |location: &ParameterIn| parameters().any(|parameter| parameter.parameter_in == *location);
        let types = match &operation.request_body {
            Some(RefOr::T(body)) => body.content.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let schemes = schemes(operation);
        let has_scheme = |names: &[&str]| schemes.iter().any(|scheme| names.contains(&scheme.as_str()));
        let idempotency_key = parameters().any(|parameter| parameter.name.eq_ignore_ascii_case("idempotency-key"));
        let streams = operation.responses.responses.values().any(|response| match response {
            RefOr::T(response) => response.content.contains_key("text/event-stream"),
            RefOr::Ref(_) => false,
        });
        Self {
            credential: has_scheme(&["api_key", "bearer", "org_id"]),
            body: !types.is_empty(),
            json: types.contains(&"application/json"),
            path: within(&ParameterIn::Path),
            query: within(&ParameterIn::Query),
            idempotency_key,
            stores: idempotency_key || has_scheme(&["org_id"]),
            streams,
        }
    }
}

/// Returns the names of the security schemes that an operation accepts.
fn schemes(operation: &Operation) -> Vec<String> {
    let requirements = operation.security.iter().flatten();
    let names = requirements.filter_map(|requirement| match serde_json::to_value(requirement) {
        Ok(Value::Object(schemes)) => Some(schemes.into_iter().map(|(name, _)| name)),
        _ => None,
    });
    names.flatten().collect()
}

/// The time of the examples.
const NOW: &str = "2026-04-29T09:00:00Z";

pub(super) fn now() -> Timestamp {
    NOW.parse().unwrap_or_default()
}

pub(super) fn reasons() -> Vec<Reason> {
    let reason = |name, description, envelope, rejection, applies| Reason {
        name,
        description,
        envelope,
        rejection: Some(rejection),
        applies,
    };
    let limits = RateStatus { limit: 600, remaining: 0, resets_in: 30, resets_at: now() };
    vec![
        reason("Path", "The path is not valid UTF-8.", Envelope::Shared, Rejection::MalformedPath, |of| of.path),
        reason(
            "Header",
            "A header is not valid, or was sent twice.",
            Envelope::Shared,
            Rejection::MalformedHeader("x-api-key"),
            |of| of.credential || of.idempotency_key,
        ),
        Reason {
            name: "Query",
            description: "A query parameter is not as documented.",
            envelope: Envelope::Own,
            rejection: None,
            applies: |of| of.query,
        },
        reason(
            "Body",
            "The body cannot be read, or is not as documented.",
            Envelope::Either,
            Rejection::MalformedJson(JsonFault::Syntax),
            |of| of.json,
        ),
        Reason {
            name: "Form",
            description: "The form cannot be read, or is not as documented.",
            envelope: Envelope::Either,
            rejection: None,
            applies: |of| of.body && !of.json,
        },
        reason(
            "Credentials",
            "Missing or invalid credentials, or a disabled organization.",
            Envelope::Credential,
            Rejection::Unauthenticated(Unauthenticated::Missing),
            |of| of.credential,
        ),
        reason(
            "Scope",
            "The credential lacks the scope.",
            Envelope::Shared,
            Rejection::Forbidden(Forbidden::Scope(Scope::SessionsWrite)),
            |of| of.credential,
        ),
        reason(
            "Organization",
            "The credential has no access to the organization.",
            Envelope::Shared,
            Rejection::Forbidden(Forbidden::Organization),
            |of| of.credential,
        ),
        reason(
            "Address",
            "The API key may not be used from the client's address.",
            Envelope::Shared,
            Rejection::Forbidden(Forbidden::Address),
            |of| of.credential,
        ),
        reason(
            "Quota",
            "The organization's storage quota is used up.",
            Envelope::Shared,
            Rejection::StorageFull,
            |of| of.stores,
        ),
        reason(
            "KeyInUse",
            "A request with the same `Idempotency-Key` is still running.",
            Envelope::Shared,
            Rejection::StillRunning,
            |of| of.idempotency_key,
        ),
        reason("Body", "The body is too large.", Envelope::Shared, Rejection::BodyTooLarge(BODY_LIMIT), |of| of.body),
        reason(
            "Type",
            "The body is of another type than documented.",
            Envelope::Shared,
            Rejection::UnsupportedMediaType(MediaType::Other),
            |of| of.json,
        ),
        reason(
            "Encoding",
            "The body has a `Content-Encoding` other than gzip or deflate.",
            Envelope::Shared,
            Rejection::UnsupportedEncoding,
            |of| of.body,
        ),
        reason(
            "KeyReused",
            "The `Idempotency-Key` belongs to a request with another body.",
            Envelope::Shared,
            Rejection::KeyReused,
            |of| of.idempotency_key,
        ),
        reason("TooSlow", "The query took too long; narrow it.", Envelope::Shared, Rejection::QueryTooSlow, |of| {
            of.credential
        }),
        reason(
            "Requests",
            "Too many requests, in a minute or at once; retry after the number of seconds in `Retry-After`.",
            Envelope::Shared,
            Rejection::RateLimited(limits),
            |of| of.credential || of.body,
        ),
        reason(
            "Streams",
            "The organization has too many open streams.",
            Envelope::Shared,
            Rejection::TooManyStreams,
            |of| of.credential && of.streams,
        ),
        reason(
            "Overload",
            "The service is overloaded, or its database is unavailable; retry after the number of seconds in \
             `Retry-After`.",
            Envelope::Shared,
            Rejection::Unavailable,
            |of| of.credential || of.body,
        ),
    ]
}
