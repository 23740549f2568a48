//! Agent Human, generation 1: sessions under integers (apis/integer_id).

mod create_session;
mod error;
mod get_session;
mod session;

use http::HeaderName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::IntegerIdError;

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

pub fn routes() -> OpenApiRouter<AppState> {
    super::described("Agent Human", "The session API of Agent Human, generation 1, with integer ids.")
        .routes(routes!(create_session::create_session))
        .routes(routes!(get_session::get_session))
}
