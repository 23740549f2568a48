//! `GET /sessionary/v1/keys/{key_id}`.

use http::StatusCode;

use super::key::{self, KeyReply, WireKey};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;

/// Get an API key
#[utoipa::path(
    get,
    path = "/sessionary/v1/keys/{key_id}",
    params(("key_id" = uuid::Uuid, Path, description = "The key's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The key, without the key itself.", body = WireKey, headers(("ETag" = String, description = "The version, for `If-Match`. The time of the last use is not a part of it."))))
)]
#[tracing::instrument(name = "sessionary.get_key", level = "debug", skip_all)]
pub async fn get_key(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    path: PathOf<Sessionary, String>,
) -> Result<KeyReply<WireKey>, SessionaryError> {
    let id = key::id_of(&path.0)?;
    let found = caller.store.api_keys().find(id).await?.ok_or(key::MISSING)?;
    Ok(KeyReply { status: StatusCode::OK, version: (&found).into(), body: WireKey::new(&found, caller.now()) })
}
