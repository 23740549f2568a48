//! Exports: sessions of all dialects with all that they are, as JSON lines or as CSV.

mod create;
pub mod csv;
mod gzip;
pub mod line;
mod line_span;
mod permits;
mod stream;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use permits::ExportPermits;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(routes!(create::export))
}
