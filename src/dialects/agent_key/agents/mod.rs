//! Agents.

mod body;
mod config;
mod create;
mod delete;
mod get;
mod identity;
mod list;
mod replace;
mod update;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use config::Config;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(create::create_agent, list::list_agents))
        .routes(routes!(get::get_agent, update::update_agent, replace::replace_agent, delete::delete_agent))
        .routes(routes!(identity::get_identity, identity::update_identity))
}
