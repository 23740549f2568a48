//! `PUT /dashboard/api/organization/event-keys` (docs/dialects/agnost.md).

use crate::auth::{Caller, purpose};
use crate::dialects::agnost::dashboard::metadata_keys::keys::{Keys, NewKeys, store_keys};
use crate::dialects::agnost::{Agnost, AgnostError};
use crate::http::{JsonBody, Reply};

/// Set event keys
#[utoipa::path(
    put,
    path = "/dashboard/api/organization/event-keys",
    request_body = NewKeys,
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys as they are now.", body = Keys))
)]
#[tracing::instrument(name = "agnost.set_event_keys", level = "debug", skip_all)]
pub async fn set_event_keys(
    caller: Caller<Agnost, purpose::WriteEvents>,
    new: JsonBody<Agnost, NewKeys>,
) -> Result<Reply<Keys>, AgnostError> {
    store_keys(&caller, "event_keys", &new.0).await
}
