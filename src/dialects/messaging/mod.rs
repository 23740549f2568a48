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
pub use paths::with_lenient_paths;
pub use sessions::timeouts::{Bounds, GivenBounds, GivenDefaults};

use crate::AppState;
use crate::dialects::shared::document::{self, Errors, Missing};
use crate::domain::DialectName;
use crate::http::{About, Dialect, RateHeaders, Rejection, Reset};

pub struct Messaging;

impl Dialect for Messaging {
    const NAME: DialectName = DialectName::Messaging;
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

/// What is deliberately not as in the original.
const ABOUT: &str = "\
The messaging session API of ElizaOS, as its server 1.7.2 speaks it. Different on purpose:

- Sessions and their messages survive a restart, and expiry is a state: an expired session is 410 once and 404 from then on, and its messages stay.
- Replies of every transport are in the session's messages.
- There is no Socket.IO. `transport: http` waits for a reply, `sse` streams it, and `websocket`, the default, leaves it \
to `GET …/messages?after=`, where it appears. A worker posts an agent's reply to `POST /api/messaging/submit`.
- Bodies that cannot be read are 400, 413 or 415 where the original answers 500, and no error shows a stack.
- `SESSION_AUTO_RENEW` of an agent does what its name says; the original turns it around.
- `sessionStatus.isNearExpiration` and `expiringSoon` tell the truth.
- Beside the sessions there are `GET /api/agents` and `GET /api/server/ping`, with which programs find their agent. An \
agent's `bio` is its description.
- Sending a message also responds with the members that the response had before version 1.7, beside those of today.
- Sending and deleting answer the vendor's client under `data` what they answer everyone else beside it.
- Metadata that is a text is held to the same length as any other, and of an `autoRenew` longer than 256 characters \
its truth is kept.
- Lists and health tell of the caller's organization alone, and count up to 10,000.";

/// Describes what all operations share, which the server around the sessions says in envelopes of its own.
pub(super) fn complete(document: &mut OpenApi) {
    let missing = vec![Missing {
        parameter: "sessionId",
        name: "SessionNotFound",
        description: "No such session in this organization.",
        error: MessagingError::SessionNotFound("3c90c3cc-0d44-4b50-8888-8dd25736052a".to_owned()),
    }];
    let errors = Errors {
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
