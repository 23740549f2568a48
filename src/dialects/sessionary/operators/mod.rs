//! What operators do: the organizations of the deployment, and its health.

mod create;
mod get;
mod health;
mod list;
mod organization;
mod update;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(list::list_organizations, create::create_organization))
        .routes(routes!(get::get_organization, update::update_organization))
        .routes(routes!(health::get_health))
}
