//! The organization's own settings and its limits.

mod get;
mod limits;
mod update;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(routes!(get::get_settings, update::update_settings)).routes(routes!(limits::get_limits))
}
