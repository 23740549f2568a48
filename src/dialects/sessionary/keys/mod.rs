//! API keys of the organization.

mod create;
mod delete;
mod get;
mod key;
mod limits;
mod list;
mod rotate;
mod update;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(list::list_keys, create::create_key))
        .routes(routes!(get::get_key, update::update_key, delete::revoke_key))
        .routes(routes!(rotate::rotate_key))
}
