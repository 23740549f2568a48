//! The APIs: the five vendors', which are called dialects, and the service's own, [`sessionary`].
//!
//! A dialect owns its wire types, its error envelope and its routes, one file per operation, and nothing else. No
//! dialect imports another. The rules of sessions are in [`crate::domain`].

pub mod agent_key;
pub mod agnost;
pub mod agntix;
pub mod importing;
pub mod integer_id;
pub mod messaging;
pub mod sessionary;
mod shared;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::AppState;
use crate::domain::{ApiName, DialectName};

/// Returns the routes of one API together with their OpenAPI description.
#[must_use]
pub fn routes(api: ApiName) -> OpenApiRouter<AppState> {
    match api {
        ApiName::Dialect(DialectName::Agnost) => agnost::routes(),
        ApiName::Dialect(DialectName::Agntix) => agntix::routes(),
        ApiName::Dialect(DialectName::AgentKey) => agent_key::routes(),
        ApiName::Dialect(DialectName::Messaging) => messaging::routes(),
        ApiName::Dialect(DialectName::IntegerId) => integer_id::routes(),
        ApiName::Sessionary => sessionary::routes(),
    }
}

/// Returns the OpenAPI document of one API.
#[must_use]
pub fn openapi(api: ApiName) -> OpenApi {
    let mut document = routes(api).into_openapi();
    complete(api, &mut document);
    document
}

/// Adds what all operations of an API share to the document of its routes.
pub fn complete(api: ApiName, document: &mut OpenApi) {
    match api {
        ApiName::Dialect(DialectName::Agnost) => agnost::complete(document),
        ApiName::Dialect(DialectName::Agntix) => agntix::complete(document),
        ApiName::Dialect(DialectName::AgentKey) => agent_key::complete(document),
        ApiName::Dialect(DialectName::Messaging) => messaging::complete(document),
        ApiName::Dialect(DialectName::IntegerId) => integer_id::complete(document),
        ApiName::Sessionary => sessionary::complete(document),
    }
}

const BEARER: &str = "A token of the deployment's issuer, which names the user and the organization.";

/// Returns a security scheme of a key in a header.
fn header_scheme(name: &str, description: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, description)))
}

/// Returns a router whose OpenAPI document has the title, the description and the common security schemes.
fn described(title: &str, description: &str) -> OpenApiRouter<AppState> {
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(BEARER)).build();
    let info = InfoBuilder::new()
        .title(title)
        .description(Some(description))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let components = ComponentsBuilder::new()
        .security_scheme("api_key", header_scheme("x-api-key", "An API key of the organization."))
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .build();
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).components(Some(components)).build())
}
