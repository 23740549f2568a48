//! `PATCH /sessionary/v1/webhooks/{webhook_id}`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use utoipa::ToSchema;

use super::webhook::{self, WebhookVersion, WireWebhook};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::{IfMatch, VersionedAs};
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::WebhookEvent;
use crate::http::{JsonBody, PathOf};
use crate::store::{Webhook, WebhookState};

/// An absent member stays unchanged.
#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct UpdateWebhook {
    url: Option<String>,
    #[schema(example = json!(["session.ended"]))]
    events: Option<Vec<String>>,
    #[schema(example = json!(["agnost", "agntix", "agent_key", "messaging", "integer_id"]))]
    dialects: Option<Vec<String>>,
    /// True also ends a pause, and enables an endpoint that responded with 410.
    enabled: Option<bool>,
}

/// Update a webhook
///
/// An endpoint that was disabled receives events from the time at which it is enabled. It receives events and dialects that
/// it did not receive before from now on. Queued deliveries are sent to a
/// new URL.
#[utoipa::path(
    patch,
    path = "/sessionary/v1/webhooks/{webhook_id}",
    params(
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook's id."),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to change."),
    ),
    request_body = UpdateWebhook,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The webhook.", body = WireWebhook, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 412, description = "The webhook has changed since the version that `If-Match` names."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.update_webhook", level = "debug", skip_all)]
pub async fn update_webhook(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
    if_match: IfMatch,
    body: JsonBody<Sessionary, Members>,
) -> Result<Response, SessionaryError> {
    let id = webhook::id_of(&path.0)?;
    let mut body = body.0;
    let url = webhook::url(&mut body);
    let url = body.not_null("url", url);
    let events = webhook::events(&mut body);
    let events = body.not_null("events", events);
    let dialects = webhook::dialects(&mut body);
    let dialects = body.not_null("dialects", dialects);
    let enabled = body.boolean("enabled");
    let enabled = body.not_null("enabled", enabled);
    body.finish()?;

    let now = caller.now();
    let rule = |webhook: &mut Webhook| {
        if_match.check(&WebhookVersion::from(&*webhook))?;
        if let Some(url) = url {
            webhook.url = url.into();
        }
        if let Some(events) = events {
            webhook.events = events.iter().map(WebhookEvent::to_string).collect();
        }
        if let Some(dialects) = dialects {
            webhook.dialects = dialects.iter().map(|dialect| dialect.code()).collect();
        }
        match enabled {
            Some(true) => (webhook.state, webhook.paused_until) = (WebhookState::Enabled, None),
            Some(false) if webhook.state == WebhookState::Enabled => webhook.state = WebhookState::Disabled(now),
            _ => {}
        }
        Ok::<(), SessionaryError>(())
    };
    let changed = caller.store.webhooks().change(id, now, rule).await?.ok_or(webhook::MISSING)??;
    let body = WireWebhook::new(&changed, now);
    Ok(VersionedAs { status: StatusCode::OK, body, version: WebhookVersion::from(&changed) }.into_response())
}
