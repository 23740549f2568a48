//! The events of a session: messages, replies, tool outputs and summaries.

pub(super) mod compaction;
mod create;
mod delete;
mod form;
mod get;
mod hide;
mod input;
mod list;
mod stream;
mod turn;

mod wire;

pub(in crate::dialects) use turn::touch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(create::create_event, list::list_events))
        .routes(routes!(get::get_event, delete::delete_event))
        .routes(routes!(hide::hide_event))
        .routes(routes!(hide::unhide_event))
}
