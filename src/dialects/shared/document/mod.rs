//! The parts of an OpenAPI document that all operations share: the common responses ([`responses`]), the servers and
//! the examples.

mod alias;
mod examples;
mod free_objects;
mod reasons;
mod responses;

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::server::ServerBuilder;
use utoipa::openapi::{OpenApi, Ref, RefOr, Schema, Server};
use utoipa::{PartialSchema, ToSchema};

pub(in crate::dialects) use alias::describe_alias;
pub(in crate::dialects) use responses::{Errors, JSON, Missing, with_nested};

use crate::http::Dialect;

/// Describes every request. It follows the dialect's own description.
const REQUESTS: &str = "\
- A request's body may be sent with `Content-Encoding: gzip` or `deflate`. It may unpack to 256 KiB and 100 times its \
size, and to no more than the limit of a body that is not packed. A byte order mark before JSON is ignored.
- A number without a fraction is an integer however it is written: `1.0` is `1`, in bodies and in queries.
- A request that has arrived whole is carried out even if its client closes the connection at once.";

/// Describes the `Content-Encoding` of bodies.
fn content_encoding() -> Parameter {
    let names = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).examples(["gzip"]);
    ParameterBuilder::new()
        .name("Content-Encoding")
        .parameter_in(ParameterIn::Header)
        .description(Some("The encoding of a packed body: `gzip` or `deflate`. Any other encoding is 415."))
        .schema(Some(names))
        .build()
}

/// Returns the servers of the document, which is the same for every deployment.
fn servers() -> Vec<Server> {
    let server = |url, description| ServerBuilder::new().url(url).description(Some(description)).build();
    vec![
        server("/", "The service that serves this document."),
        server("http://127.0.0.1:3000", "A service on this machine, with its default settings."),
    ]
}

/// Adds everything that its operations share to a document.
pub(in crate::dialects) fn complete<D: Dialect>(document: &mut OpenApi, errors: &Errors<D::Error>) {
    if document.paths.paths.values_mut().flat_map(operations).flatten().any(|operation| has_lenient_integer(operation))
    {
        let components = document.components.get_or_insert_default();
        components.schemas.insert(LenientInteger::name().into_owned(), LenientInteger::schema());
    }
    let about = document.info.description.take().unwrap_or_default();
    document.info.description = Some(format!("{about}\n\nEvery request:\n\n{REQUESTS}"));
    document.servers = Some(servers());
    responses::add::<D>(document, errors);
    for item in document.paths.paths.values_mut() {
        for operation in operations(item).into_iter().flatten() {
            if operation.request_body.is_some() {
                operation.parameters.get_or_insert_default().push(content_encoding().into());
            }
            // An empty list means that the operation needs no credential.
            operation.security.get_or_insert_default();
        }
    }
    free_objects::open(document);
    examples::add(document, D::NAME);
}

fn operations(item: &mut PathItem) -> [&mut Option<Operation>; 5] {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
}

fn has_lenient_integer(operation: &Operation) -> bool {
    let named = Ref::from_schema_name(LenientInteger::name()).ref_location;
    operation.parameters.iter().flatten().any(|parameter| {
        matches!(parameter, RefOr::T(Parameter { schema: Some(RefOr::Ref(schema)), .. }) if schema.ref_location == named)
    })
}

/// An integer in a query of a dialect that ignores every other text.
pub(in crate::dialects) struct LenientInteger;

impl ToSchema for LenientInteger {}

impl PartialSchema for LenientInteger {
    fn schema() -> RefOr<Schema> {
        let one = |kind| ObjectBuilder::new().schema_type(SchemaType::new(kind));
        let text = one(Type::String).description(Some("Any other text is ignored."));
        AnyOfBuilder::new().item(one(Type::Integer)).item(text).into()
    }
}
