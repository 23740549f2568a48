//! Agnost AI: captured conversations (docs/dialects/agnost.md).

mod capture_event;
mod capture_session;
mod contract;
mod dashboard;
mod error;
mod event;
mod reading;
mod redaction;
mod traces;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::AgnostError;

use crate::AppState;
use crate::domain::DialectName;
use crate::http::{About, Dialect, RateHeaders, Rejection};

pub struct Agnost;

impl Dialect for Agnost {
    const NAME: DialectName = DialectName::Agnost;
    type Error = AgnostError;

    fn render(error: &AgnostError, _: &About) -> axum::response::Response {
        error.render()
    }

    /// This vendor tells its callers nothing of limits.
    fn rejection(error: &AgnostError) -> Option<&Rejection> {
        if let AgnostError::Rejected(rejection) = error { Some(rejection) } else { None }
    }

    fn rate_headers() -> Option<RateHeaders> {
        None
    }
}

pub fn routes() -> OpenApiRouter<AppState> {
    super::described("Agnost AI", "The capture API of Agnost AI.")
        .routes(routes!(capture_session::capture_session))
        .routes(routes!(capture_event::capture_event))
        .merge(traces::routes())
        .merge(dashboard::routes())
}
