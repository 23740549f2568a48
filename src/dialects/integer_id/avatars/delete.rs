//! `DELETE /api/v1/avatars/{avatar_id}` (docs/dialects/integer-id.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::avatars::avatar::{Done, number_of};
use crate::dialects::integer_id::error::{Bare, BareEnvelope};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::http::{PathOf, Reply};

/// Delete avatar
///
/// Agents with this avatar have none afterwards, and an image that was uploaded for it is deleted. Existing sessions
/// still contain the avatar.
#[utoipa::path(
    delete,
    path = "/api/v1/avatars/{avatar_id}",
    params(("avatar_id" = i64, Path, description = "The avatar's integer id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The avatar was deleted.", body = Done),
        (status = 404, description = "No such avatar in this organization.", body = BareEnvelope),
    )
)]
#[tracing::instrument(name = "integer_id.delete_avatar", level = "debug", skip_all)]
pub async fn delete_avatar(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    path: PathOf<IntegerId, String>,
) -> Result<Reply<Done>, IntegerIdError> {
    let number = number_of(&path.0)?;
    let found = caller.store.avatars().delete(number).await?;
    if found { Ok(Reply(StatusCode::OK, Done::DONE)) } else { Err(Bare::AvatarNotFound.into()) }
}
