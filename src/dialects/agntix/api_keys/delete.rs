//! `DELETE /v1/chat/api-keys/{keyId}`.

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::api_keys::revoke::revoke;
use crate::dialects::agntix::api_keys::wire::{ChatApiKey, id_of};
use crate::dialects::agntix::{Agntix, AgntixError};
use crate::domain::Action;
use crate::http::{PathOf, Reply};

/// Delete API key
///
/// Revokes the key. Lists still contain it.
#[utoipa::path(
    delete,
    path = "/v1/chat/api-keys/{keyId}",
    params(("keyId" = String, Path, description = "The key's id, `key_…`.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The revoked key.", body = ChatApiKey),
    )
)]
#[tracing::instrument(name = "agntix.delete_api_key", level = "debug", skip_all)]
pub async fn delete_api_key(
    caller: Caller<Agntix, purpose::Manage>,
    path: PathOf<Agntix, String>,
) -> Result<Reply<ChatApiKey>, AgntixError> {
    revoke(&caller, id_of(&path.0)?, Action::ApiKeyDelete, None).await
}
