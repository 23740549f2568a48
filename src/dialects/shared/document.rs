//! What every operation of a document can respond because of what all operations share: authentication, limits, bodies,
//! and repeated requests. Each is written down once, here, and not at every operation.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The schemas of a dialect's errors, by name.
pub(in crate::dialects) struct Errors {
    /// What an operation's own errors are.
    pub own: &'static str,
    /// What the shared rejections are.
    pub shared: &'static str,
    /// What a missing or invalid credential is.
    pub credential: &'static str,
}

impl Errors {
    /// A dialect with one envelope for everything.
    pub const fn one(envelope: &'static str) -> Self {
        Self { own: envelope, shared: envelope, credential: envelope }
    }
}

/// A shared rejection: its status, its words, and which operations can have it.
type Shared = (&'static str, &'static str, fn(&Operation) -> bool);

const SHARED: [Shared; 10] = [
    ("400", "A header, the query or the body cannot be read, or is not as documented.", needs_credential),
    ("401", "Missing or invalid credentials.", needs_credential),
    ("403", "The credential lacks the scope, or the organization.", needs_credential),
    ("409", "A request with the same `Idempotency-Key` is still running.", takes_key),
    ("413", "The body is too large.", has_body),
    (
        "415",
        "The body is of another type than documented, or packed in another way than gzip or deflate; `Accept-Encoding` \
         says so then.",
        has_body,
    ),
    ("422", "The `Idempotency-Key` belongs to a request with another body.", takes_key),
    ("422", "The query took longer than a query may; narrow it.", reads),
    ("429", "Too many requests; retry after the number of seconds in `Retry-After`.", |_| true),
    (
        "503",
        "The service is overloaded, or its database is away; retry after the number of seconds in `Retry-After`.",
        |_| true,
    ),
];

fn needs_credential(operation: &Operation) -> bool {
    operation.security.is_some()
}

fn has_body(operation: &Operation) -> bool {
    operation.request_body.is_some()
}

fn reads(operation: &Operation) -> bool {
    needs_credential(operation) && !has_body(operation)
}

fn takes_key(operation: &Operation) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters.into_iter().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.name.eq_ignore_ascii_case("idempotency-key"),
        RefOr::Ref(_) => false,
    })
}

/// What is true of every request, behind what a document says of its dialect.
const REQUESTS: &str = "\
- A request's body may be sent with `Content-Encoding: gzip` or `deflate`. It may unpack to 256 KiB and 100 times its \
size, and to no more than it may have without. A byte order mark before JSON is ignored.
- A number without a fraction is an integer however it is written: `1.0` is `1`, in bodies and in queries.
- A request that has arrived whole is carried out, also when its client closes the connection at once.";

/// Describes how bodies may be packed.
fn packing() -> Parameter {
    let names = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).examples(["gzip"]);
    ParameterBuilder::new()
        .name("Content-Encoding")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "How the body is packed, if it is: `gzip` or `deflate`. A body that is packed otherwise is 415.",
        ))
        .schema(Some(names))
        .build()
}

/// Adds to every operation the shared rejections that it does not have, and to responses without a body the envelope.
pub(in crate::dialects) fn complete(document: &mut OpenApi, errors: &Errors) {
    if document.paths.paths.values_mut().flat_map(operations).flatten().any(|operation| has_lenient_integer(operation))
    {
        let components = document.components.get_or_insert_default();
        components.schemas.insert(LenientInteger::name().into_owned(), LenientInteger::schema());
    }
    let about = document.info.description.take().unwrap_or_default();
    document.info.description = Some(format!("{about}\n\nOf every request:\n\n{REQUESTS}"));
    for item in document.paths.paths.values_mut() {
        for operation in operations(item).into_iter().flatten() {
            complete_operation(operation, errors);
            if has_body(operation) {
                operation.parameters.get_or_insert_default().push(packing().into());
            }
        }
    }
}

fn complete_operation(operation: &mut Operation, errors: &Errors) {
    for (status, words, applies) in SHARED {
        if applies(operation) && !operation.responses.responses.contains_key(status) {
            let response = ResponseBuilder::new().description(words).build();
            operation.responses.responses.insert(status.to_owned(), response.into());
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        match status.as_str() {
            "401" => fill(response, errors.credential),
            "400" | "404" | "500" if errors.own != errors.shared => either(response, errors),
            status if status.starts_with('4') || status.starts_with('5') => fill(response, errors.shared),
            _ => {}
        }
    }
}

/// Gives a response a body, if it has none.
fn fill(response: &mut Response, schema: &str) {
    if response.content.is_empty() {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
        response.content.insert("application/json".to_owned(), content.into());
    }
}

/// Lets a response be an error of the operation's own or a shared one.
fn either(response: &mut Response, errors: &Errors) {
    let one_of = [errors.own, errors.shared]
        .into_iter()
        .fold(AnyOfBuilder::new(), |all, name| all.item(Ref::from_schema_name(name)));
    let content = ContentBuilder::new().schema(Some(one_of)).build();
    response.content.insert("application/json".to_owned(), content.into());
}

/// Describes the operations of a path at another path of theirs as well, where they are not described yet.
pub(in crate::dialects) fn describe_alias(document: &mut OpenApi, path: &str, alias: &str) {
    let Some(mut item) = document.paths.paths.get(path).cloned() else { return };
    let described = document.paths.paths.entry(alias.to_owned()).or_default();
    for (own, there) in operations(&mut item).into_iter().zip(operations(described)) {
        let Some(own) = own else { continue };
        if let Some(there) = there {
            // It is described by itself, with what is different about it.
            for (status, response) in &own.responses.responses {
                if !status.starts_with('2') {
                    there.responses.responses.entry(status.clone()).or_insert_with(|| response.clone());
                }
            }
            continue;
        }
        own.operation_id = own.operation_id.take().map(|id| format!("{id}_at_alias"));
        own.summary = own.summary.take().map(|summary| format!("{summary}, at its older path"));
        own.description = Some(format!("As at `{path}`."));
        *there = Some(own.clone());
    }
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

/// An integer in a query of a dialect that takes every other text for none.
pub(in crate::dialects) struct LenientInteger;

impl ToSchema for LenientInteger {}

impl PartialSchema for LenientInteger {
    fn schema() -> RefOr<Schema> {
        let one = |kind| ObjectBuilder::new().schema_type(SchemaType::new(kind));
        let text = one(Type::String).description(Some("Any other text counts as none."));
        AnyOfBuilder::new().item(one(Type::Integer)).item(text).into()
    }
}
