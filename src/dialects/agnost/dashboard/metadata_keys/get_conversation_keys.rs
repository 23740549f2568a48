//! `GET /dashboard/api/organization/conversation-keys` (docs/dialects/agnost.md).

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::metadata_keys::keys::{Keys, read_keys};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

/// Conversation keys
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/conversation-keys",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys.", body = Keys))
)]
#[tracing::instrument(name = "agnost.conversation_keys", level = "debug", skip_all)]
pub async fn conversation_keys(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<Reply<Keys>, AgnostError> {
    read_keys(&caller, "conversation_keys").await
}
