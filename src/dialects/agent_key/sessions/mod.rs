//! Sessions under their agents.

mod artifacts;
mod create;
mod delete;
mod fork;
mod get;
mod keyed;
mod list;
pub(super) mod session;
mod update;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(create::create_session, list::list_sessions))
        .routes(routes!(get::get_session, update::update_session, delete::delete_session))
        .routes(routes!(artifacts::list_artifacts))
        .routes(routes!(artifacts::get_artifact))
        .routes(routes!(artifacts::outstanding_client_tool_calls))
}
