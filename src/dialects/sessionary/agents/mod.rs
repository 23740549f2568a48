//! Agents, with what replies to their messages.

mod agent;
mod create;
mod delete;
mod get;
mod list;
mod reply;
pub(super) mod responder;
mod update;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(list::list_agents, create::create_agent))
        .routes(routes!(get::get_agent, update::update_agent, delete::delete_agent))
        .routes(routes!(reply::reply_of_agent))
}
