//! `PUT /api/v1/avatars/{avatar_id}` (docs/dialects/integer-id.md).

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::avatars::avatar::{AvatarBody, Done, number_of};
use crate::dialects::integer_id::error::{Bare, BareEnvelope};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::http::{JsonBody, PathOf, Reply};
use crate::store::AvatarChanges;

/// Update avatar
///
/// Existing sessions still return the avatar as it was. An image that was uploaded for the avatar is not deleted, even
/// if `url` changes.
#[utoipa::path(
    put,
    path = "/api/v1/avatars/{avatar_id}",
    params(("avatar_id" = i64, Path, description = "The avatar's integer id.")),
    request_body = AvatarBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The avatar was changed.", body = Done),
        (status = 400, description = "There is nothing to change.", body = BareEnvelope),
        (status = 404, description = "No such avatar in this organization.", body = BareEnvelope),
    )
)]
#[tracing::instrument(name = "integer_id.update_avatar", level = "debug", skip_all)]
pub async fn update_avatar(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    path: PathOf<IntegerId, String>,
    body: JsonBody<IntegerId, AvatarBody>,
) -> Result<Reply<Done>, IntegerIdError> {
    let number = number_of(&path.0)?;
    let changes = body.0.validate()?;
    if changes == AvatarChanges::default() {
        return Err(Bare::Invalid("No fields to update").into());
    }
    let found = caller.store.avatars().update(number, &changes, caller.now()).await?;
    if found { Ok(Reply(StatusCode::OK, Done::DONE)) } else { Err(Bare::AvatarNotFound.into()) }
}
