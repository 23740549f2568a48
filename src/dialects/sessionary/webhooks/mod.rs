//! Webhooks: endpoints that are notified of what happens to sessions, and their deliveries.

mod body;
mod create;
mod delete;
mod deliveries;
mod delivery;
mod get;
mod list;
mod resend;
mod rotate_secret;
mod update;
mod webhook;

pub use body::{Occurrence, webhook_body};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router
        .routes(routes!(list::list_webhooks, create::create_webhook))
        .routes(routes!(get::get_webhook, update::update_webhook, delete::delete_webhook))
        .routes(routes!(rotate_secret::rotate_webhook_secret))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(resend::resend_delivery))
}
