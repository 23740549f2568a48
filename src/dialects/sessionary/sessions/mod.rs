//! Sessions of all dialects.

mod change;
pub mod delete;
pub mod end;
pub(super) mod filters;
pub(super) mod find_many;
pub mod get;
pub mod list;
pub(super) mod session;
pub mod update;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(list::list_sessions))
        .routes(routes!(get::get_session, update::update_session, delete::delete_session))
        .routes(routes!(end::end_session))
}
