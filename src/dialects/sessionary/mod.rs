//! The service's own API over the sessions of all dialects (docs/api.md).

mod agents;
mod audit;
mod conditional;
mod console;
mod described_query;
mod erasures;
mod events;
pub mod exports;
mod follow;
mod identity;
mod imports;
mod keys;
mod mcp;
mod members;
mod operators;
mod page;
mod problem;
mod query;
mod retention;
mod search;
mod session_ref;
mod sessions;
mod settings;
mod usage;
mod users;
mod webhooks;

use axum::middleware;
use http::HeaderName;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::{OpenApi, Ref, RefOr, Schema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use described_query::DescribedQueries;

pub use exports::ExportPermits;
pub use imports::{ImportResult, ImportRights, Importer};
pub use problem::SessionaryError;
pub use webhooks::{Occurrence, webhook_body};

use crate::AppState;
use crate::dialects::shared::document::{self, Errors, Missing};
use crate::domain::ApiName;
use crate::http::{About, Dialect, RateHeaders, Rejection, Reset};

pub struct Sessionary;

impl Dialect for Sessionary {
    const NAME: ApiName = ApiName::Sessionary;
    type Error = SessionaryError;

    fn render(error: &SessionaryError, about: &About) -> axum::response::Response {
        error.render(about)
    }

    fn rejection(error: &SessionaryError) -> Option<&Rejection> {
        if let SessionaryError::Rejected(rejection) = error { Some(rejection) } else { None }
    }

    /// Returns the names of draft-ietf-httpapi-ratelimit-headers-03.
    fn rate_headers() -> Option<RateHeaders> {
        Some(RateHeaders {
            limit: HeaderName::from_static("ratelimit-limit"),
            remaining: HeaderName::from_static("ratelimit-remaining"),
            reset: HeaderName::from_static("ratelimit-reset"),
            reset_is: Reset::In,
            policy: None,
        })
    }
}

const ABOUT: &str = "\
One API over the sessions of all dialects of an organization.

- Times are in UTC with milliseconds. Ids are texts. A query parameter that an operation does not have is 400.
- A list has `data` and `next_cursor`, and its next page in the `Link` header. A filtered page may be short, even empty, \
and not be the last; only `next_cursor: null` ends a list. A cursor is valid for its own list with the same filters.
- Errors are `application/problem+json` (RFC 9457). `errors` names the members of the body by JSON Pointer.
- A response with an `ETag` can be changed with `If-Match`; a changed object is 412 then.
- What belongs to another organization is 404, like what does not exist.";

/// Adds what all operations share to the document.
pub(super) fn complete(document: &mut OpenApi) {
    let missing = |parameter, name, kind, description| Missing {
        parameter,
        name,
        description,
        error: SessionaryError::NotFound(kind),
    };
    let missing = vec![
        missing("session_id", "SessionNotFound", "session", "No such session in this organization."),
        missing("agent_id", "AgentNotFound", "agent", "No such agent in this organization."),
        missing("key_id", "KeyNotFound", "key", "No such key in this organization."),
        missing("organization_id", "OrganizationNotFound", "organization", "No such organization."),
        missing("webhook_id", "WebhookNotFound", "webhook", "No such webhook in this organization."),
        missing("delivery_id", "DeliveryNotFound", "delivery", "No such delivery in this organization."),
        missing("erasure_id", "ErasureNotFound", "erasure", "No such erasure in this organization."),
        missing("user_id", "UserNotFound", "user", "No session of this organization is such a user's."),
    ];
    let errors =
        Errors { media_type: "application/problem+json", ..Errors::one::<problem::Problem>("Problem", missing) };
    document::complete::<Sessionary>(document, &errors);
    name_rows(document);
}

/// Names the schema of the rows of each page, which the macro writes into the page as a whole.
fn name_rows(document: &mut OpenApi) {
    let schemas = &mut document.components.get_or_insert_default().schemas;
    let pages = schemas.keys().filter_map(|name| name.strip_prefix("Page_")).filter(|row| schemas.contains_key(*row));
    for row in pages.map(str::to_owned).collect::<Vec<_>>() {
        let page = schemas.get_mut(&format!("Page_{row}"));
        if let Some(RefOr::T(Schema::Object(page))) = page
            && let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data")
        {
            data.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(row).into()));
        }
    }
}

pub fn routes() -> OpenApiRouter<AppState> {
    let router = super::described("Sessionary", ABOUT)
        .merge(console::routes())
        .routes(routes!(identity::me::get_me))
        .routes(routes!(identity::version::get_version));
    let router = sessions::routes(router);
    let router = events::routes(router);
    let router = search::routes(router);
    let router = users::routes(router);
    let router = erasures::routes(router);
    let router = audit::routes(router);
    let router = exports::routes(router);
    let router = imports::routes(router);
    let router = usage::routes(router);
    let router = agents::routes(router);
    let router = keys::routes(router);
    let router = webhooks::routes(router);
    let router = retention::routes(router);
    let router = settings::routes(router);
    let router = operators::routes(router);
    let described = DescribedQueries::of(router.get_openapi());
    let router = router.layer(middleware::from_fn_with_state(described, described_query::check));
    // A protocol of its own, which the document does not describe.
    router.route(mcp::PATH, axum::routing::post(mcp::serve))
}
