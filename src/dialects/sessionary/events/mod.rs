//! Events of a session, and what happens in all sessions.

pub mod create;
pub(super) mod list;
mod new_event;
pub(super) mod reading;
pub mod stream;
pub mod tail;
pub(super) mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(list::list_events, create::create_event))
        .routes(routes!(stream::stream_session))
        .routes(routes!(tail::stream_events))
}
