//! Agent Human, generation 1: sessions under integers (apis/integer_id).

mod agent;
mod agent_sessions;
mod avatar;
mod create_agent;
mod create_avatar;
mod create_session;
mod delete_agent;
mod delete_avatar;
mod end_session;
mod error;
mod get_agent;
mod get_image;
mod get_session;
mod list_agents;
mod list_avatars;
mod list_messages;
mod list_sessions;
mod message;
mod query;
mod send_message;
mod session;
mod transfers;
mod update_agent;
mod update_avatar;
mod upload;
mod upload_avatar;
mod usage;

use http::HeaderName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::IntegerIdError;
pub use transfers::Transfers;

use crate::AppState;
use crate::domain::DialectName;
use crate::http::{About, Dialect, RateHeaders, Reset};

pub struct IntegerId;

impl Dialect for IntegerId {
    const NAME: DialectName = DialectName::IntegerId;
    type Error = IntegerIdError;

    fn render(error: &IntegerIdError, _: &About) -> axum::response::Response {
        error.render()
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

/// What the vendor's pages leave open, or have and this has not.
const ABOUT: &str = "\
The session API of Agent Human, generation 1, with integer ids.

- `/api/v1/sessions/{session_id}/messages` is an extension: the vendor names the path and documents nothing more.
- Lists have no pages on the vendor's; here they end at 1,000, and `next_cursor` (for avatars the header \
`X-Next-Cursor`) leads on.
- There are no users, roles or voices: `user_id`, `role_id` and an agent's own `voice_id` are null.
- Uploaded images are kept by the service and shown under addresses that need no credential and cannot be guessed; \
`cloudinary_id` is the image's name there.";

#[expect(deprecated, reason = "a deprecated path is a path")]
pub fn routes() -> OpenApiRouter<AppState> {
    super::described("Agent Human", ABOUT)
        .routes(routes!(create_session::create_session, list_sessions::list_sessions))
        .routes(routes!(get_session::get_session))
        .routes(routes!(end_session::end_session))
        .routes(routes!(send_message::send_message, list_messages::list_messages))
        .routes(routes!(create_agent::create_agent, list_agents::list_agents))
        .routes(routes!(get_agent::get_agent, update_agent::update_agent, delete_agent::delete_agent))
        .routes(routes!(agent_sessions::agent_sessions))
        .routes(routes!(create_avatar::create_avatar, list_avatars::list_avatars))
        .routes(routes!(list_avatars::list_public_avatars))
        .routes(routes!(list_avatars::list_user_avatars))
        .routes(routes!(upload_avatar::upload_avatar))
        .routes(routes!(get_image::get_image))
        .routes(routes!(update_avatar::update_avatar, delete_avatar::delete_avatar))
}
