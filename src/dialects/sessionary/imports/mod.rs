//! Imports: the lines of an export are stored again.

mod check;
mod create;
mod importer;
mod lines;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use importer::{ImportResult, ImportRights, Importer};

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(routes!(create::import))
}
