//! The error responses that all operations share: for credentials, limits, bodies and repeated requests.
//!
//! A reason is written once, here, for all dialects. Its status, its envelope and its example are rendered by the
//! dialect's own error table, so that they cannot differ from it. An operation's attribute adds only its own reasons.
//!
//! 500 is not listed, because it is a fault of the service that no operation returns on purpose.

use std::collections::BTreeMap;

use axum::response::Response as HttpResponse;
use futures::FutureExt;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Content, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::reasons::{Envelope, Facts, Reason, now, reasons};
use crate::http::{About, Dialect, Rejection};

/// The schemas of a dialect's errors, and the 404 of its path parameters.
pub(in crate::dialects) struct Errors<E> {
    /// The content type of errors.
    pub media_type: &'static str,
    /// The schema of an operation's own errors.
    pub own: &'static str,
    /// The schema of the shared rejections.
    pub shared: &'static str,
    /// The schema of the error of a missing or invalid credential.
    pub credential: &'static str,
    /// These schemas and their nested schemas, by name.
    pub schemas: Vec<(String, RefOr<Schema>)>,
    /// The 404 of each path parameter. The last parameter of a path decides.
    pub missing: Vec<Missing<E>>,
}

/// The 404 of a resource that a path names and the organization does not have.
pub(in crate::dialects) struct Missing<E> {
    pub parameter: &'static str,
    /// The name of the response among the document's components.
    pub name: &'static str,
    pub description: &'static str,
    pub error: E,
}

impl<E> Errors<E> {
    /// Returns the errors of a dialect whose errors all have the envelope `S`, named `envelope`.
    pub fn one<S: ToSchema>(envelope: &'static str, missing: Vec<Missing<E>>) -> Self {
        Self {
            media_type: JSON,
            own: envelope,
            shared: envelope,
            credential: envelope,
            schemas: with_nested::<S>(envelope),
            missing,
        }
    }
}

/// Returns a schema and its nested schemas, by name.
pub(in crate::dialects) fn with_nested<S: ToSchema>(name: &str) -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(name.to_owned(), S::schema())];
    S::schemas(&mut schemas);
    schemas
}

/// The content type of the vendors' errors.
pub(in crate::dialects) const JSON: &str = "application/json";

/// A reason in the words of a dialect.
struct Worded {
    reason: Reason,
    status: String,
    example: Option<Value>,
}

/// Returns the status and the body of an error in a dialect's envelope.
fn rendered<D: Dialect>(error: &D::Error) -> (StatusCode, Option<Value>) {
    let about = About { request_id: "47332acaa4dd6937fb0ac004cb530a0d".to_owned(), now: now() };
    let response: HttpResponse = D::render(error, &about);
    let status = response.status();
    let bytes = response.into_body().collect().now_or_never().and_then(Result::ok);
    (status, bytes.and_then(|bytes| serde_json::from_slice(&bytes.to_bytes()).ok()))
}

/// Adds the shared responses to every operation, as references to components.
pub(super) fn add<D: Dialect>(document: &mut OpenApi, errors: &Errors<D::Error>) {
    let worded: Vec<Worded> = reasons()
        .into_iter()
        .map(|reason| {
            let (status, example) = match reason.rejection.clone() {
                Some(rejection) => rendered::<D>(&rejection.into()),
                None => (StatusCode::BAD_REQUEST, None),
            };
            Worded { reason, status: status.as_str().to_owned(), example }
        })
        .collect();
    let mut components = BTreeMap::new();
    for item in document.paths.paths.values_mut() {
        for operation in super::operations(item).into_iter().flatten() {
            let facts = Facts::of(operation);
            let mut by_status: BTreeMap<&str, Vec<&Worded>> = BTreeMap::new();
            for worded in worded.iter().filter(|worded| (worded.reason.applies)(&facts)) {
                by_status.entry(&worded.status).or_default().push(worded);
            }
            for (status, reasons) in by_status {
                add_response::<D>(operation, status, &reasons, errors, &mut components);
            }
            if facts.credential {
                add_missing::<D>(operation, errors, &mut components);
            }
            for response in operation.responses.responses.iter_mut().filter(|(status, _)| is_error(status)) {
                if let (_, RefOr::T(response)) = response
                    && response.content.is_empty()
                {
                    insert(response, errors.media_type, content(&[errors.own]));
                }
            }
        }
    }
    let document = document.components.get_or_insert_default();
    document.responses.extend(components);
    document.schemas.extend(errors.schemas.iter().cloned());
}

type Components = BTreeMap<String, RefOr<Response>>;

/// Adds the reasons of one status to an operation, after the operation's own response of that status if it has one.
fn add_response<D: Dialect>(
    operation: &mut Operation,
    status: &str,
    reasons: &[&Worded],
    errors: &Errors<D::Error>,
    components: &mut Components,
) {
    let mut shared = response_of(reasons, errors);
    if status == StatusCode::TOO_MANY_REQUESTS.as_str() {
        add_rate_headers::<D>(&mut shared);
    }
    match operation.responses.responses.get_mut(status) {
        Some(RefOr::T(own)) => join(own, errors, shared),
        Some(RefOr::Ref(_)) => {}
        None => {
            let names: String = reasons.iter().map(|worded| worded.reason.name).collect();
            let name = format!("{}{names}", prefix(status));
            operation.responses.responses.insert(status.to_owned(), Ref::from_response_name(&name).into());
            components.entry(name).or_insert_with(|| shared.into());
        }
    }
}

/// Returns the beginning of a component's name.
fn prefix(status: &str) -> &'static str {
    match status {
        "400" => "Invalid",
        "401" => "Unauthorized",
        "403" => "Forbidden",
        "409" => "Conflict",
        "413" => "TooLarge",
        "415" => "Unsupported",
        "422" => "Unprocessable",
        "429" => "TooMany",
        "503" => "Unavailable",
        _ => "Error",
    }
}

fn is_error(status: &str) -> bool {
    status.starts_with(['4', '5'])
}

fn response_of<E>(reasons: &[&Worded], errors: &Errors<E>) -> Response {
    let descriptions: Vec<&str> = reasons.iter().map(|worded| worded.reason.description).collect();
    let mut schemas: Vec<&str> = Vec::new();
    for worded in reasons {
        let (first, second) = match worded.reason.envelope {
            Envelope::Own => (errors.own, errors.own),
            Envelope::Shared => (errors.shared, errors.shared),
            Envelope::Either => (errors.own, errors.shared),
            Envelope::Credential => (errors.credential, errors.credential),
        };
        for schema in [first, second] {
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
    }
    let mut content = content(&schemas);
    for worded in reasons {
        if let Some(example) = worded.example.clone() {
            let example = ExampleBuilder::new().summary(worded.reason.description).value(Some(example)).build();
            content.examples.insert(worded.reason.name.to_owned(), example.into());
        }
    }
    let mut response = ResponseBuilder::new().description(descriptions.join(" ")).build();
    insert(&mut response, errors.media_type, content);
    add_headers(&mut response, reasons);
    response
}

fn insert(response: &mut Response, media_type: &str, content: Content) {
    response.content.insert(media_type.to_owned(), content.into());
}

/// Returns content that matches one of the schemas.
fn content(schemas: &[&str]) -> Content {
    let schema: RefOr<Schema> = match schemas {
        [one] => Ref::from_schema_name(*one).into(),
        several => {
            let any = several.iter().map(|name| Ref::from_schema_name(*name));
            any.fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
        }
    };
    ContentBuilder::new().schema(Some(schema)).build()
}

/// Adds the shared reasons to an operation's own response.
fn join<E>(own: &mut Response, errors: &Errors<E>, shared: Response) {
    if own.content.is_empty() {
        insert(own, errors.media_type, content(&[errors.own]));
    }
    own.description = format!("{} {}", own.description, shared.description);
    own.headers.extend(shared.headers);
    for (kind, theirs) in shared.content {
        let RefOr::T(mut theirs) = theirs else { continue };
        if let Some(RefOr::T(Content { schema: Some(schema), .. })) = own.content.get(&kind) {
            theirs.schema = theirs.schema.take().map(|shared| either(schema.clone(), shared));
        }
        own.content.insert(kind, theirs.into());
    }
}

/// Returns the schema of a value that matches one schema or the other.
fn either(own: RefOr<Schema>, shared: RefOr<Schema>) -> RefOr<Schema> {
    let mut items = Vec::new();
    for schema in [own, shared] {
        match schema {
            RefOr::T(Schema::AnyOf(any)) => items.extend(any.items),
            schema => items.push(schema),
        }
    }
    let mut distinct: Vec<RefOr<Schema>> = Vec::new();
    for item in items {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    match distinct.len() {
        1 => distinct.remove(0),
        _ => distinct.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into(),
    }
}

fn header(description: &str, kind: Type) -> utoipa::openapi::Header {
    let schema = ObjectBuilder::new().schema_type(SchemaType::new(kind));
    HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
}

fn add_headers(response: &mut Response, reasons: &[&Worded]) {
    let mut add = |name: &str, description, kind| {
        response.headers.insert(name.to_owned(), header(description, kind).into());
    };
    for worded in reasons {
        match &worded.reason.rejection {
            Some(
                Rejection::RateLimited(_)
                | Rejection::TooManyStreams
                | Rejection::Unavailable
                | Rejection::StillRunning,
            ) => add("Retry-After", "Seconds to wait before the request is sent again.", Type::Integer),
            Some(Rejection::UnsupportedEncoding) => {
                add("Accept-Encoding", "The accepted encodings, if the body's encoding was rejected.", Type::String);
            }
            Some(Rejection::UnsupportedMediaType(_)) => {
                add("Accept", "The accepted media types, if the body's type was rejected.", Type::String);
            }
            _ => {}
        }
    }
}

/// Adds the headers in which the vendor reports limits.
fn add_rate_headers<D: Dialect>(response: &mut Response) {
    let Some(names) = D::rate_headers() else { return };
    let reset = match names.reset_is {
        crate::http::Reset::At => "When the limit is full again: Unix time in seconds.",
        crate::http::Reset::In => "Seconds until the limit is full again.",
    };
    let mut add = |name: &http::HeaderName, description, kind| {
        response.headers.insert(name.to_string(), header(description, kind).into());
    };
    add(&names.limit, "Requests per minute.", Type::Integer);
    add(&names.remaining, "Remaining requests.", Type::Integer);
    add(&names.reset, reset, Type::Integer);
    if let Some(policy) = &names.policy {
        add(policy, "The limit and its window in seconds: `600;w=60`.", Type::String);
    }
}

/// Adds the 404 of the last parameter in the path, unless the operation describes its own.
fn add_missing<D: Dialect>(operation: &mut Operation, errors: &Errors<D::Error>, components: &mut Components) {
    let mut named = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(Parameter { name, parameter_in: ParameterIn::Path, .. }) => Some(name.as_str()),
        _ => None,
    });
    let Some(parameter) = named.next_back() else { return };
    let Some(missing) = errors.missing.iter().find(|missing| missing.parameter == parameter) else { return };
    let (status, example) = rendered::<D>(&missing.error);
    let responses = &mut operation.responses.responses;
    if responses.contains_key(status.as_str()) {
        return;
    }
    responses.insert(status.as_str().to_owned(), Ref::from_response_name(missing.name).into());
    components.entry(missing.name.to_owned()).or_insert_with(|| {
        let mut content = content(&[errors.own]);
        content.example = example;
        let mut response = ResponseBuilder::new().description(missing.description).build();
        insert(&mut response, errors.media_type, content);
        response.into()
    });
}
