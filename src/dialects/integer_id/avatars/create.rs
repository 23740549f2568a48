//! `POST /api/v1/avatars` (docs/dialects/integer-id.md).

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::integer_id::avatars::avatar::AvatarBody;
use crate::dialects::integer_id::error::{Bare, BareEnvelope};
use crate::dialects::integer_id::{IntegerId, IntegerIdError};
use crate::http::Reply;
use crate::idempotency::{IdempotencyKeyHeader, Idempotent};
use crate::store::{Series, StoredAvatar};

#[derive(Serialize, ToSchema)]
pub struct CreatedAvatar {
    #[schema(example = 10)]
    id: i64,
    #[schema(example = "Avatar created")]
    message: &'static str,
}

/// Create avatar
///
/// `name` and `url` are required.
#[utoipa::path(
    post,
    path = "/api/v1/avatars",
    params(IdempotencyKeyHeader),
    request_body = AvatarBody,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "Avatar created.", body = CreatedAvatar),
        (status = 400, description = "A member is not valid.", body = BareEnvelope),
    )
)]
pub async fn create_avatar(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    request: Idempotent<IntegerId, AvatarBody>,
) -> Response {
    request.respond(caller, create).await
}

#[tracing::instrument(name = "integer_id.create_avatar", level = "debug", skip_all)]
async fn create(
    caller: Caller<IntegerId, purpose::WriteAgents>,
    body: AvatarBody,
) -> Result<Reply<CreatedAvatar>, IntegerIdError> {
    let new = body.validate()?;
    let (Some(name), Some(url)) = (new.name, new.url) else {
        return Err(Bare::Invalid("name and url required").into());
    };
    let number = caller.number(Series::Avatars).await?;
    let avatar = StoredAvatar {
        number,
        name,
        url,
        voice_id: new.voice_id.set(),
        is_favorite: new.is_favorite.unwrap_or_default(),
        is_public: new.is_public.unwrap_or_default(),
        created_at: caller.now(),
        updated_at: caller.now(),
    };
    caller.store.avatars().create(&avatar).await?;
    Ok(Reply(StatusCode::CREATED, CreatedAvatar { id: number, message: "Avatar created" }))
}
