//! ElizaOS messaging sessions (docs/dialects/messaging.md).

mod agents;
mod body;
mod error;
mod javascript;
mod messages;
mod metadata;
mod paths;
mod ping;
mod sessions;

use axum::routing::delete;
use http::HeaderName;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::MessagingError;
pub use javascript::parse_int;
pub use messages::message::reads_event;
pub use paths::spell_plainly;
pub use sessions::session::reads_session;
pub(in crate::dialects) use sessions::session::touch;
pub use sessions::timeouts::{Bounds, GivenBounds, GivenDefaults};

use crate::AppState;
use crate::dialects::shared::document::{self, Errors, JSON, Missing};
use crate::domain::{ApiName, DialectName};
use crate::http::{About, Dialect, RateHeaders, Rejection, Reset};

pub struct Messaging;

impl Dialect for Messaging {
    const NAME: ApiName = ApiName::Dialect(DialectName::Messaging);
    type Error = MessagingError;

    fn render(error: &MessagingError, about: &About) -> axum::response::Response {
        error.render(about)
    }

    fn rejection(error: &MessagingError) -> Option<&Rejection> {
        if let MessagingError::Rejected(rejection) = error { Some(rejection) } else { None }
    }

    fn rate_headers() -> Option<RateHeaders> {
        Some(RateHeaders {
            limit: HeaderName::from_static("ratelimit-limit"),
            remaining: HeaderName::from_static("ratelimit-remaining"),
            reset: HeaderName::from_static("ratelimit-reset"),
            reset_is: Reset::In,
            policy: Some(HeaderName::from_static("ratelimit-policy")),
        })
    }
}

/// Describes the intended differences from the vendor.
const ABOUT: &str = "\
The messaging session API of ElizaOS, as its server 1.7.2 serves it. Intended differences:

- Sessions and their messages survive a restart, and expiry is a state: an expired session is 410 once and 404 from then on, and its messages stay.
- Replies of every transport are in the session's messages.
- There is no Socket.IO. `transport: http` waits for a reply, `sse` streams it, and with `websocket`, the default, the \
reply appears in `GET …/messages?after=`. A worker posts an agent's reply to `POST /api/messaging/submit`.
- Bodies that cannot be read are 400, 413 or 415 instead of 500, and no error contains a stack.
- `SESSION_AUTO_RENEW` of an agent has the meaning of its name; the original inverts it.
- `sessionStatus.isNearExpiration` and `expiringSoon` are computed; in the original they are always false.
- In addition to the sessions there are `GET /api/agents` and `GET /api/server/ping`, with which programs find their \
agent. An agent's `bio` is its description.
- The response to a message also has the members that it had before version 1.7.
- The responses to sending and deleting repeat their members under `data`, which the vendor's client reads.
- Metadata that is a text has the same limit as other metadata, and an `autoRenew` longer than 256 characters is stored \
as a boolean.
- Lists and health show only the caller's organization, and count up to 10,000.";

/// Adds what all operations share to the document. The server around the sessions has its own envelopes.
pub(super) fn complete(document: &mut OpenApi) {
    let missing = vec![Missing {
        parameter: "sessionId",
        name: "SessionNotFound",
        description: "No such session in this organization.",
        error: MessagingError::SessionNotFound("3c90c3cc-0d44-4b50-8888-8dd25736052a".to_owned()),
    }];
    let errors = Errors {
        media_type: JSON,
        own: "Envelope",
        shared: "ServerEnvelope",
        credential: "KeyRequired",
        schemas: error::schemas(),
        missing,
    };
    document::complete::<Messaging>(document, &errors);
}

pub fn routes() -> OpenApiRouter<AppState> {
    super::described("ElizaOS messaging sessions", ABOUT)
        .routes(routes!(sessions::health::health))
        .route("/api/messaging/sessions/health", delete(sessions::health::delete_health))
        .routes(routes!(sessions::create::create_session, sessions::list::list_sessions))
        .routes(routes!(sessions::get::get_session, sessions::delete::delete_session))
        .routes(routes!(messages::send::send_message, messages::list::get_messages))
        .routes(routes!(sessions::renew::renew_session))
        .routes(routes!(sessions::set_timeout::set_timeout))
        .routes(routes!(sessions::heartbeat::heartbeat))
        .routes(routes!(messages::submit::submit_message))
        .routes(routes!(agents::list::list_agents))
        .routes(routes!(ping::ping))
}
