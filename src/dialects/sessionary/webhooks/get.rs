//! `GET /sessionary/v1/webhooks/{webhook_id}`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::webhook::{self, WebhookVersion, WireWebhook};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;

/// Get a webhook
#[utoipa::path(
    get,
    path = "/sessionary/v1/webhooks/{webhook_id}",
    params(("webhook_id" = uuid::Uuid, Path, description = "The webhook's id.")),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The webhook, without its secret.", body = WireWebhook, headers(("ETag" = String, description = "The version, for `If-Match`."))))
)]
#[tracing::instrument(name = "sessionary.get_webhook", level = "debug", skip_all)]
pub async fn get_webhook(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    path: PathOf<Sessionary, String>,
) -> Result<Response, SessionaryError> {
    let id = webhook::id_of(&path.0)?;
    let found = caller.store.webhooks().find(id).await?.ok_or(webhook::MISSING)?;
    let body = WireWebhook::new(&found, caller.now());
    Ok(VersionedAs { status: StatusCode::OK, body, version: WebhookVersion::from(&found) }.into_response())
}
