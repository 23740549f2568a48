//! `GET /dashboard/api/organization/event-keys` (docs/dialects/agnost.md).

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::metadata_keys::keys::{Keys, read_keys};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::Reply;

/// Event keys
#[utoipa::path(
    get,
    path = "/dashboard/api/organization/event-keys",
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys.", body = Keys))
)]
#[tracing::instrument(name = "agnost.event_keys", level = "debug", skip_all)]
pub async fn event_keys(caller: Caller<Agnost, purpose::ReadEvents>) -> Result<Reply<Keys>, AgnostError> {
    read_keys(&caller, "event_keys").await
}
