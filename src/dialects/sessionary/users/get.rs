//! `GET /sessionary/v1/users/{user_id}`.

use http::StatusCode;

use super::user::User;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::{PathOf, Reply};

/// Get a user
///
/// The user's sessions are `GET /sessionary/v1/sessions?user_id=…`.
#[utoipa::path(
    get,
    path = "/sessionary/v1/users/{user_id}",
    params(("user_id" = String, Path, description = "The user's id, percent-encoded.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The user.", body = User))
)]
#[tracing::instrument(name = "sessionary.get_user", level = "debug", skip_all)]
pub async fn get_user(
    caller: Caller<Sessionary, purpose::ReadSessions>,
    path: PathOf<Sessionary, String>,
) -> Result<Reply<User>, SessionaryError> {
    let missing = || SessionaryError::NotFound("user");
    let id = super::user_id(path.0).map_err(|_| missing())?;
    let user = caller.store.users().find(&id).await?.ok_or_else(missing)?;
    Ok(Reply(StatusCode::OK, user.into()))
}
