//! ElizaOS messaging sessions (apis/messaging).

mod create_session;
mod error;
mod get_session;
mod paths;
mod session;
mod timeouts;

use http::HeaderName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::MessagingError;
pub use paths::with_lenient_paths;

use crate::AppState;
use crate::domain::DialectName;
use crate::http::{About, Dialect, RateHeaders, Reset};

pub struct Messaging;

impl Dialect for Messaging {
    const NAME: DialectName = DialectName::Messaging;
    type Error = MessagingError;

    fn render(error: &MessagingError, about: &About) -> axum::response::Response {
        error.render(about)
    }

    fn rate_headers() -> Option<RateHeaders> {
        Some(RateHeaders {
            limit: HeaderName::from_static("ratelimit-limit"),
            remaining: HeaderName::from_static("ratelimit-remaining"),
            reset: HeaderName::from_static("ratelimit-reset"),
            reset_is: Reset::In,
        })
    }
}

pub fn routes() -> OpenApiRouter<AppState> {
    super::described("ElizaOS messaging sessions", "The messaging session API of ElizaOS.")
        .routes(routes!(create_session::create_session))
        .routes(routes!(get_session::get_session))
}
