//! After how many days sessions are erased, and the legal hold.

mod get;
mod preview;
mod replace;
mod rules;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(routes!(get::get_retention, replace::replace_retention)).routes(routes!(preview::preview_retention))
}
