//! `POST /sessionary/v1/webhooks/{webhook_id}/rotate_secret`.

use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use http::StatusCode;
use secrecy::ExposeSecret;
use utoipa::ToSchema;

use super::webhook::{self, WebhookVersion, WebhookWithSecret, WireWebhook};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::{OptionalJsonBody, PathOf};
use crate::outbound::signature;

/// The overlap without the member: a day. The longest one: 30 days.
const OVERLAP: i64 = 24 * 3_600;
const MAX_OVERLAP: i64 = 30 * OVERLAP;

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct RotateSecret {
    /// How long deliveries are signed with both secrets; a day by default, and 0 to use only the new one.
    #[schema(example = 86_400, minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<i64>,
}

/// Rotate a webhook's secret
///
/// Until the overlap ends, deliveries have two signatures, of which one is by the old secret, as Standard Webhooks
/// permits. The new secret is in this response and in no other. `Idempotency-Key` is ignored, because the stored
/// response would contain the secret.
#[utoipa::path(
    post,
    path = "/sessionary/v1/webhooks/{webhook_id}/rotate_secret",
    params(("webhook_id" = uuid::Uuid, Path, description = "The webhook's id.")),
    request_body = Option<RotateSecret>,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The webhook, with its new secret.", body = WebhookWithSecret, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.rotate_webhook_secret", level = "debug", skip_all)]
pub async fn rotate_webhook_secret(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    body: OptionalJsonBody<Sessionary, Members>,
) -> Result<Response, SessionaryError> {
    let id = webhook::id_of(&path.0)?;
    let mut body = body.0;
    let overlap = body.integer("overlap_seconds", 0..=MAX_OVERLAP).set().unwrap_or(OVERLAP);
    body.finish()?;

    let secret = signature::secret(&caller.mint);
    let until = (overlap > 0).then(|| caller.now() + TimeDelta::seconds(overlap));
    let rotated = caller.store.webhooks().rotate_secret(id, &secret, until, caller.now(), &caller.mint).await?;
    let rotated = rotated.ok_or(webhook::MISSING)?;
    let described = WireWebhook::new(&rotated, caller.now());
    let body = WebhookWithSecret { described, secret: secret.expose_secret().to_owned() };
    Ok(VersionedAs { status: StatusCode::OK, body, version: WebhookVersion::from(&rotated) }.into_response())
}
