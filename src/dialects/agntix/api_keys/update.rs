//! `PATCH /v1/chat/api-keys/{keyId}`.

use http::StatusCode;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::api_keys::body::UpdateApiKey;
use crate::dialects::agntix::api_keys::ends;
use crate::dialects::agntix::api_keys::wire::{ChatApiKey, id_of};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::domain::{Action, IssuedKey};
use crate::http::{JsonBody, PathOf, Reply};

/// Update API key
///
/// Changes the given members. A key that was revoked or has expired stays so. To extend the life of a key, the caller
/// needs every scope of the key, and if the caller uses an API key, that key must be valid for as long.
#[utoipa::path(
    patch,
    path = "/v1/chat/api-keys/{keyId}",
    params(("keyId" = String, Path, description = "The key's id, `key_…`.")),
    request_body = UpdateApiKey,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The key.", body = ChatApiKey),
        (status = 403, description = "The key would outlive the caller's own."),
    )
)]
#[tracing::instrument(name = "agntix.update_api_key", level = "debug", skip_all)]
pub async fn update_api_key(
    caller: Caller<Agntix, purpose::Manage>,
    path: PathOf<Agntix, String>,
    body: JsonBody<Agntix, UpdateApiKey>,
) -> Result<Reply<ChatApiKey>, AgntixError> {
    let id = id_of(&path.0)?;
    let changes = body.0.validate(caller.now())?;
    let mut allowed = Ok(());
    let rule = |key: &mut IssuedKey| {
        let mut changed = key.clone();
        changes.apply(&mut changed);
        if changed.expires_at != key.expires_at {
            allowed = ends::may_move(&caller.principal, key, changed.expires_at, caller.now());
        }
        if allowed.is_ok() {
            *key = changed;
        }
    };
    let key = caller.store.api_keys().change(id, Action::ApiKeyUpdate, rule).await?.ok_or(AgntixError::KeyNotFound)?;
    allowed?;
    Ok(Reply(StatusCode::OK, ChatApiKey::new(key, caller.now())))
}
