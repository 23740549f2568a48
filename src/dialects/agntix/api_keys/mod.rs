//! `/v1/chat/api-keys` (docs/dialects/agntix.md).

mod body;
mod create;
mod delete;
mod ends;
mod list;
mod revoke;
mod update;
mod wire;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create_api_key, list::list_api_keys))
        .routes(routes!(update::update_api_key, delete::delete_api_key))
        .routes(routes!(revoke::revoke_api_key))
}
