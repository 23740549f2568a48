//! Erasures of users and sessions, and their receipts.

mod create;
mod erasure;
mod get;
mod list;
mod request;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) use erasure::Erasure;
pub(super) use request::{ErasureOf, request};

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(routes!(create::create_erasure, list::list_erasures)).routes(routes!(get::get_erasure))
}
