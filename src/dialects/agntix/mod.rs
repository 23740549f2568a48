//! Agntix: chat sessions under `ses_…` ids (apis/agntix).

mod create_session;
mod error;
mod get_session;
mod session;

use http::HeaderName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::AgntixError;

use crate::AppState;
use crate::domain::DialectName;
use crate::http::{About, Dialect, RateHeaders, Reset};

pub struct Agntix;

impl Dialect for Agntix {
    const NAME: DialectName = DialectName::Agntix;
    type Error = AgntixError;

    fn render(error: &AgntixError, about: &About) -> axum::response::Response {
        error.render(about)
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

/// `/v1/chat/chat/sessions` is the vendor's own path, doubled word and all; `/api/v1/chat/sessions` is its older
/// alias, whose POST is deprecated since its version 1.4.0.
#[expect(deprecated, reason = "a deprecated path is a path")]
pub fn routes() -> OpenApiRouter<AppState> {
    super::described("Agntix", "The chat session API of Agntix.")
        .routes(routes!(create_session::create_session))
        .routes(routes!(create_session::create_session_at_alias))
        .routes(routes!(get_session::get_session))
        .routes(routes!(get_session::get_session_at_alias))
}
