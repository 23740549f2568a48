//! Logins of the console. They are for its pages only, and not in the OpenAPI document.

mod log_in;
mod log_out;

use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;

use crate::AppState;

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .route("/sessionary/v1/console/login", post(log_in::log_in))
        .route("/sessionary/v1/console/logout", post(log_out::log_out))
}
