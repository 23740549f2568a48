//! `POST /v1/chat/api-keys/{keyId}/revoke`.

use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::api_keys::wire::{ChatApiKey, id_of};
use crate::dialects::agntix::validate::text;
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::domain::{Action, JsonField, KeyId};
use crate::http::{OptionalJsonBody, PathOf, Reply};

/// Characters of a reason. The vendor documents no limit.
const REASON_LIMIT: usize = 500;

#[derive(Default, Deserialize, ToSchema)]
pub struct RevokeApiKey {
    /// At most 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    reason: JsonField,
}

/// Revoke API key
///
/// The body is optional. The key, which may be the caller's own, is rejected at once, and within a second by other
/// replicas of the service. A key that is already revoked is returned unchanged.
#[utoipa::path(
    post,
    path = "/v1/chat/api-keys/{keyId}/revoke",
    params(("keyId" = String, Path, description = "The key's id, `key_…`.")),
    request_body = Option<RevokeApiKey>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The revoked key.", body = ChatApiKey),
    )
)]
#[tracing::instrument(name = "agntix.revoke_api_key", level = "debug", skip_all)]
pub async fn revoke_api_key(
    caller: Caller<Agntix, purpose::Manage>,
    path: PathOf<Agntix, String>,
    body: OptionalJsonBody<Agntix, RevokeApiKey>,
) -> Result<Reply<ChatApiKey>, AgntixError> {
    let id = id_of(&path.0)?;
    revoke(&caller, id, Action::ApiKeyRevoke, text(body.0.reason, "reason", REASON_LIMIT)?).await
}

pub(super) async fn revoke(
    caller: &Caller<Agntix, purpose::Manage>,
    id: KeyId,
    action: Action,
    reason: Option<String>,
) -> Result<Reply<ChatApiKey>, AgntixError> {
    let now = caller.now();
    let key = caller.store.api_keys().change(id, action, |key| key.revoke(now, reason)).await?;
    Ok(Reply(StatusCode::OK, ChatApiKey::new(key.ok_or(AgntixError::KeyNotFound)?, now)))
}
