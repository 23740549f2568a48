//! Agent Human, generation 1: sessions under integers (docs/dialects/integer-id.md).

mod agents;
mod avatars;
mod error;
mod messages;
mod query;
mod sessions;

use http::HeaderName;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use avatars::transfers::Transfers;
pub use error::IntegerIdError;
pub(in crate::dialects) use sessions::end::end_plainly as end_session;
pub use sessions::session::reads_session;

use crate::AppState;
use crate::dialects::shared::document::{self, Errors, Missing};
use crate::domain::{ApiName, DialectName};
use crate::http::{About, Dialect, RateHeaders, Rejection, Reset};

pub struct IntegerId;

impl Dialect for IntegerId {
    const NAME: ApiName = ApiName::Dialect(DialectName::IntegerId);
    type Error = IntegerIdError;

    fn render(error: &IntegerIdError, _: &About) -> axum::response::Response {
        error.render()
    }

    fn rejection(error: &IntegerIdError) -> Option<&Rejection> {
        if let IntegerIdError::Rejected(rejection) = error { Some(rejection) } else { None }
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
The session API of Agent Human, generation 1, with integer ids.

- `/api/v1/sessions/{session_id}/messages` is an extension: the vendor names the path and documents nothing more.
- The vendor's lists have no pages; here they end at 1,000 entries, and `next_cursor` (for avatars the header \
`X-Next-Cursor`) continues them.
- There are no users, roles or voices: `user_id`, `role_id` and an agent's own `voice_id` are null.
- Uploaded images are stored by the service under addresses that need no credential and cannot be guessed; \
`cloudinary_id` is the image's name there.";

/// Adds what all operations share to the document.
pub(super) fn complete(document: &mut OpenApi) {
    let missing = |parameter, name, description, error| Missing { parameter, name, description, error };
    let missing = vec![
        missing(
            "session_id",
            "SessionNotFound",
            "No such session in this organization.",
            IntegerIdError::SessionNotFound,
        ),
        missing("agent_id", "AgentNotFound", "No such agent in this organization.", IntegerIdError::NoSuchAgent),
    ];
    document::complete::<IntegerId>(document, &Errors::one::<error::Envelope>("Envelope", missing));
}

#[expect(deprecated, reason = "the deprecated path is still served")]
pub fn routes() -> OpenApiRouter<AppState> {
    super::described("Agent Human", ABOUT)
        .routes(routes!(sessions::create::create_session, sessions::list::list_sessions))
        .routes(routes!(sessions::get::get_session))
        .routes(routes!(sessions::end::end_session))
        .routes(routes!(messages::send::send_message, messages::list::list_messages))
        .routes(routes!(agents::create::create_agent, agents::list::list_agents))
        .routes(routes!(agents::get::get_agent, agents::update::update_agent, agents::delete::delete_agent))
        .routes(routes!(sessions::list_of_agent::agent_sessions))
        .routes(routes!(avatars::create::create_avatar, avatars::list::list_avatars))
        .routes(routes!(avatars::list::list_public_avatars))
        .routes(routes!(avatars::list::list_user_avatars))
        .routes(routes!(avatars::upload::upload_avatar))
        .routes(routes!(avatars::get_image::get_image))
        .routes(routes!(avatars::update::update_avatar, avatars::delete::delete_avatar))
}
