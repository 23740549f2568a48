//! Users: those to whom sessions belong.

mod erase;
mod get;
mod list;
mod user;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;

/// Limit of the characters of a user's id in requests.
const MAX_USER_ID: usize = 2_048;

/// Returns a user's id if a request may name it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn user_id(id: String) -> Result<String, &'static str> {
    let is_valid = (1..=MAX_USER_ID).contains(&id.chars().count()) && !id.contains('\0');
    if is_valid { Ok(id) } else { Err("must have 1 to 2048 characters, without U+0000") }
}

pub(super) fn routes(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(routes!(list::list_users)).routes(routes!(get::get_user)).routes(routes!(erase::erase_user))
}
