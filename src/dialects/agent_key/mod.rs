//! Vectara: agents and sessions under keys (docs/dialects/agent-key.md).

mod agents;
mod clients;
mod error;
mod events;
mod find;
mod keys;
mod name_filter;
mod page_key;
mod paging;
mod patch;
mod sessions;
mod token;

use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::AgentKeyError;
pub(in crate::dialects) use events::touch;
pub use sessions::session::reads_session;

use crate::AppState;
use crate::dialects::shared::document::{self, Errors, Missing};
use crate::domain::{ApiName, DialectName};
use crate::http::{About, Dialect, RateHeaders, Rejection};

pub struct AgentKeyDialect;

impl Dialect for AgentKeyDialect {
    const NAME: ApiName = ApiName::Dialect(DialectName::AgentKey);
    type Error = AgentKeyError;

    fn render(error: &AgentKeyError, about: &About) -> axum::response::Response {
        error.render(about)
    }

    fn rejection(error: &AgentKeyError) -> Option<&Rejection> {
        if let AgentKeyError::Rejected(rejection) = error { Some(rejection) } else { None }
    }

    /// Returns `None`, because this vendor has no headers for limits. A 429 has `Retry-After`.
    fn rate_headers() -> Option<RateHeaders> {
        None
    }
}

/// Describes the intended differences from the vendor.
const ABOUT: &str = "\
The agents, sessions and events of Vectara's API, version 2. Intended differences:

- Tools, skills, models and steps of an agent are stored and returned as they were sent; an agent's responder replies to its messages.
- Agents' names need not be unique. Deleting an agent hides it and frees its key at once.
- A key whose session was deleted or has been idle for too long can be used again; the old conversation remains stored \
until it is erased or its retention ends.
- `filter` is a regular expression without look-around and back-references, so that it can be matched in linear time.
- Compaction is extractive: the summary consists of the beginnings of the messages.
- Client id and client secret are an API key's id and the key itself.
- A session's `name` is required, except in requests of the vendor's own SDKs and MCP server.";

/// Describes how a client authenticates at the token endpoint.
const CLIENT: &str = "Only at the token endpoint: an API key's id and the key itself, both form-encoded (RFC 6749, \
section 2.3.1).";

/// Adds what all operations share to the document.
pub(super) fn complete(document: &mut OpenApi) {
    let missing = |parameter, name, description, error| Missing { parameter, name, description, error };
    let missing = vec![
        missing(
            "agent_key",
            "AgentNotFound",
            "`agent_not_found`: no such agent.",
            AgentKeyError::AgentNotFound("customer_support".to_owned()),
        ),
        missing(
            "session_key",
            "SessionNotFound",
            "No such agent, or no such session of it.",
            AgentKeyError::SessionNotFound("first_chat".to_owned()),
        ),
        missing(
            "event_id",
            "EventNotFound",
            "No such agent, session or event.",
            AgentKeyError::EventNotFound("aev_1".to_owned()),
        ),
    ];
    document::complete::<AgentKeyDialect>(document, &Errors::one::<error::Envelope>("Envelope", missing));
}

pub fn routes() -> OpenApiRouter<AppState> {
    let mut router = super::described("Vectara agent sessions", ABOUT);
    let client = Http::builder().scheme(HttpAuthScheme::Basic).description(Some(CLIENT)).build();
    let components = router.get_openapi_mut().components.get_or_insert_default();
    components.add_security_scheme("client", SecurityScheme::Http(client));
    let router = events::routes(sessions::routes(agents::routes(router)));
    router.routes(routes!(token::oauth2_token)).routes(routes!(token::oauth_token))
}
