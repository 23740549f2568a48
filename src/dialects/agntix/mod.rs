//! Agntix: chat sessions under `ses_…` ids (docs/dialects/agntix.md).

mod agents;
mod api_keys;
mod contacts;
mod error;
mod health;
mod messages;
mod paging;
mod sessions;
mod settings;
mod validate;
pub mod webhook;

use axum::routing::{get, patch, post};
use http::HeaderName;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::AgntixError;
pub use sessions::session::reads_session;
pub use settings::{Model, Pace, Settings};

use crate::AppState;
use crate::dialects::shared::document::{self, Errors, Missing};
use crate::domain::{ApiName, DialectName};
use crate::http::{About, Dialect, RateHeaders, Rejection, Reset};

pub struct Agntix;

impl Dialect for Agntix {
    const NAME: ApiName = ApiName::Dialect(DialectName::Agntix);
    type Error = AgntixError;

    fn render(error: &AgntixError, about: &About) -> axum::response::Response {
        error.render(about)
    }

    fn rejection(error: &AgntixError) -> Option<&Rejection> {
        if let AgntixError::Rejected(rejection) = error { Some(rejection) } else { None }
    }

    fn rate_headers() -> Option<RateHeaders> {
        Some(RateHeaders {
            limit: HeaderName::from_static("x-ratelimit-limit"),
            remaining: HeaderName::from_static("x-ratelimit-remaining"),
            reset: HeaderName::from_static("x-ratelimit-reset"),
            reset_is: Reset::At,
            policy: None,
        })
    }
}

/// Describes what the vendor's pages leave open, and what this service does not offer.
const ABOUT: &str = "\
The chat session API of Agntix.

- The model or the webhook that is configured for the organization or the agent replies to messages. Without either, \
sending a message is 422.
- Lists are exact up to 10,000; `pagination.nextCursor` continues them.
- Voice, telephony, MCP and the public widget are not offered and return 404.";

/// Returns the routes. `/v1/chat/chat/sessions` is the vendor's own path, including the doubled word.
/// `/api/v1/chat/sessions` is the vendor's older alias, whose POST is deprecated since the vendor's version 1.4.0.
#[expect(deprecated, reason = "the deprecated path is still served")]
pub fn routes() -> OpenApiRouter<AppState> {
    let mut described = super::described("Agntix", ABOUT);
    let components = described.get_openapi_mut().components.get_or_insert_default();
    for (name, scheme) in sessions::stream_events::token_schemes() {
        components.add_security_scheme(name, scheme);
    }
    described
        .routes(routes!(sessions::create::create_session, sessions::list::list_sessions))
        .routes(routes!(sessions::create::create_session_at_alias))
        .routes(routes!(sessions::get::get_session))
        .routes(routes!(sessions::close::close_session))
        .routes(routes!(messages::send::send_message, messages::list::list_messages))
        .routes(routes!(sessions::download::download_sessions))
        .routes(routes!(agents::create::create_agent, agents::list::list_agents))
        .routes(routes!(agents::get::get_agent, agents::update::update_agent, agents::delete::delete_agent))
        .routes(routes!(agents::list_models::list_models))
        .routes(routes!(contacts::create::create_contact, contacts::list::list_contacts))
        .routes(routes!(contacts::update::update_contact, contacts::delete::delete_contact))
        .merge(api_keys::routes())
        .routes(routes!(sessions::stream_events::stream_events))
        .routes(routes!(health::health))
        .merge(older_paths())
}

/// Older paths from other pages of the vendor's documentation, each with the path under which its operations are
/// described.
const OLDER_PATHS: [(&str, &str); 6] = [
    ("/api/v1/chat/sessions", "/v1/chat/chat/sessions"),
    ("/api/v1/chat/sessions/{sessionId}", "/v1/chat/chat/sessions/{sessionId}"),
    ("/api/v1/chat/sessions/{sessionId}/close", "/v1/chat/chat/sessions/{sessionId}/close"),
    ("/api/v1/chat/sessions/{sessionId}/messages", "/v1/chat/chat/sessions/{sessionId}/messages"),
    ("/v1/chat/agents", "/v2/chat/agents"),
    ("/v1/chat/agents/{agentId}", "/v2/chat/agents/{agentId}"),
];

/// Adds what all operations share, and the older paths, to the document.
pub(super) fn complete(document: &mut OpenApi) {
    for (alias, path) in OLDER_PATHS {
        document::describe_alias(document, path, alias);
    }
    let missing = |parameter, name, description, error| Missing { parameter, name, description, error };
    let missing = vec![
        missing("sessionId", "SessionNotFound", "No such session in this organization.", AgntixError::SessionNotFound),
        missing("agentId", "AgentNotFound", "No such agent in this organization.", AgntixError::AgentNotFound),
        missing("contactId", "ContactNotFound", "No such contact in this organization.", AgntixError::ContactNotFound),
        missing("keyId", "ApiKeyNotFound", "No such key in this organization.", AgntixError::KeyNotFound),
    ];
    document::complete::<Agntix>(document, &Errors::one::<error::Envelope>("Envelope", missing));
}

/// Returns the same operations at the paths of [`OLDER_PATHS`].
fn older_paths() -> OpenApiRouter<AppState> {
    let sessions = "/api/v1/chat/sessions";
    OpenApiRouter::new()
        .route(sessions, get(sessions::list::list_sessions))
        .route(&format!("{sessions}/{{sessionId}}"), get(sessions::get::get_session))
        .route(&format!("{sessions}/{{sessionId}}/close"), patch(sessions::close::close_session))
        .route(
            &format!("{sessions}/{{sessionId}}/messages"),
            post(messages::send::send_message).get(messages::list::list_messages),
        )
        .route("/v1/chat/agents", post(agents::create::create_agent).get(agents::list::list_agents))
        .route(
            "/v1/chat/agents/{agentId}",
            get(agents::get::get_agent).patch(agents::update::update_agent).delete(agents::delete::delete_agent),
        )
}
