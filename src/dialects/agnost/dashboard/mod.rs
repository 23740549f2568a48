//! The dashboard's REST API, which returns what was captured (docs/dialects/agnost.md).

mod api_keys;
mod charts;
mod conversations;
mod events;
mod figures;
mod filters;
mod metadata_keys;
mod not_here;
mod order;
mod organizations;
mod overview;
mod person;
mod tools;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use not_here::describe as describe_not_here;

use crate::AppState;

pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(conversations::messages::conversation_messages))
        .routes(routes!(conversations::spans::conversation_spans))
        .routes(routes!(conversations::detail::conversation_detail))
        .routes(routes!(events::get::event_io))
        .routes(routes!(conversations::list::user_stories))
        .routes(routes!(events::list::raw_logs))
        .routes(routes!(events::count::raw_logs_count))
        .routes(routes!(events::export_logs::export_raw_logs))
        .routes(routes!(events::list_errors::errors))
        .routes(routes!(events::export_errors::export_errors))
        .routes(routes!(events::search::spotlight_search))
        .routes(routes!(tools::stats::tool_stats))
        .routes(routes!(tools::time_series::tool_time_series))
        .routes(routes!(tools::errors::tool_error_distribution))
        .routes(routes!(tools::checkpoints::tool_checkpoint_stats))
        .routes(routes!(tools::dashboard::tools_dashboard))
        .routes(routes!(overview::dashboard::dashboard))
        .routes(routes!(overview::summary::command_center_summary))
        .routes(routes!(overview::metadata::metadata_distribution))
        .routes(routes!(charts::list::charts, charts::create::create_chart))
        .routes(routes!(charts::delete::delete_chart))
        .routes(routes!(charts::reorder::reorder_charts))
        .routes(routes!(metadata_keys::get_event_keys::event_keys, metadata_keys::set_event_keys::set_event_keys))
        .routes(routes!(
            metadata_keys::get_conversation_keys::conversation_keys,
            metadata_keys::set_conversation_keys::set_conversation_keys
        ))
        .routes(routes!(organizations::profile::profile))
        .routes(routes!(organizations::list::organizations, not_here::create_organization))
        .routes(routes!(organizations::update::update_organization, not_here::delete_organization))
        .routes(routes!(organizations::list_members::members, organizations::add_member::add_member))
        .routes(routes!(organizations::display_id::display_id))
        .routes(routes!(api_keys::list::api_keys, api_keys::create::create_api_key))
        .routes(routes!(api_keys::delete::delete_api_key))
        .merge(not_here::routes())
}
