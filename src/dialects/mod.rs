//! The five vendors' APIs.
//!
//! A dialect owns its wire types, its error envelope and its routes, one file per operation, and nothing else. No
//! dialect imports another. The rules of sessions are in [`crate::domain`].

pub mod agent_key;
pub mod agnost;
pub mod agntix;
pub mod integer_id;
pub mod messaging;
mod shared;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::AppState;
use crate::domain::DialectName;

/// Returns the routes of one dialect together with their OpenAPI description.
#[must_use]
pub fn routes(dialect: DialectName) -> OpenApiRouter<AppState> {
    match dialect {
        DialectName::Agnost => agnost::routes(),
        DialectName::Agntix => agntix::routes(),
        DialectName::AgentKey => agent_key::routes(),
        DialectName::Messaging => messaging::routes(),
        DialectName::IntegerId => integer_id::routes(),
    }
}

/// Returns the OpenAPI document of one dialect.
#[must_use]
pub fn openapi(dialect: DialectName) -> OpenApi {
    let mut document = routes(dialect).into_openapi();
    match dialect {
        DialectName::Agnost => agnost::complete(&mut document),
        DialectName::Agntix => agntix::complete(&mut document),
        DialectName::AgentKey => agent_key::complete(&mut document),
        DialectName::Messaging => messaging::complete(&mut document),
        DialectName::IntegerId => integer_id::complete(&mut document),
    }
    document
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
