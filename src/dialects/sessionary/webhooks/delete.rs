//! `DELETE /sessionary/v1/webhooks/{webhook_id}`.

use http::StatusCode;

use super::webhook::{self, WebhookVersion};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::IfMatch;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;
use crate::store::Webhook;

/// Delete a webhook
///
/// Deletes its secret and its deliveries. A delivery that is being sent still arrives.
#[utoipa::path(
    delete,
    path = "/sessionary/v1/webhooks/{webhook_id}",
    params(
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to delete."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 204, description = "The webhook was deleted."),
        (status = 412, description = "The webhook has changed since the version that `If-Match` names."),
    )
)]
#[tracing::instrument(name = "sessionary.delete_webhook", level = "debug", skip_all)]
pub async fn delete_webhook(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
) -> Result<StatusCode, SessionaryError> {
    let id = webhook::id_of(&path.0)?;
    let check = |webhook: &Webhook| if_match.check(&WebhookVersion::from(webhook));
    caller.store.webhooks().delete(id, check).await?.ok_or(webhook::MISSING)??;
    Ok(StatusCode::NO_CONTENT)
}
