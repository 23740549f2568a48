//! Agnost AI: captured conversations (docs/dialects/agnost.md).

mod contract;
mod dashboard;
mod error;
mod events;
mod reading;
mod redaction;
mod sessions;
mod traces;

use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use error::AgnostError;
pub(in crate::dialects) use events::appended::{Said, appended};
pub use events::event::{reads_event, stored_grams as grams};
pub(in crate::dialects) use reading::{input as reading_input, output as reading_output};

use crate::AppState;
use crate::dialects::shared::document::{self, Errors};
use crate::domain::{ApiName, DialectName};
use crate::http::{About, Dialect, RateHeaders, Rejection};

pub struct Agnost;

impl Dialect for Agnost {
    const NAME: ApiName = ApiName::Dialect(DialectName::Agnost);
    type Error = AgnostError;

    fn render(error: &AgnostError, _: &About) -> axum::response::Response {
        error.render()
    }

    fn rejection(error: &AgnostError) -> Option<&Rejection> {
        if let AgnostError::Rejected(rejection) = error { Some(rejection) } else { None }
    }

    /// Returns `None`, because this vendor has no headers for limits.
    fn rate_headers() -> Option<RateHeaders> {
        None
    }
}

/// Adds what all operations share, and the operations that this service does not implement, to the document.
pub(super) fn complete(document: &mut OpenApi) {
    dashboard::describe_not_here(document);
    document::complete::<Agnost>(document, &Errors::one::<error::Envelope>("Envelope", Vec::new()));
}

pub fn routes() -> OpenApiRouter<AppState> {
    let mut router = super::described("Agnost AI", "The capture API of Agnost AI.");
    let organization = super::header_scheme("x-org-id", "The organization's UUID: public, valid only for captures.");
    router.get_openapi_mut().components.get_or_insert_default().add_security_scheme("org_id", organization);
    router
        .routes(routes!(sessions::capture::capture_session))
        .routes(routes!(events::capture::capture_event))
        .merge(traces::routes())
        .merge(dashboard::routes())
}
