//! `POST /sessionary/v1/webhooks`.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use secrecy::ExposeSecret;
use utoipa::ToSchema;

use super::webhook::{self, WebhookVersion, WebhookWithSecret, WireWebhook};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::conditional::VersionedAs;
use crate::dialects::sessionary::members::Members;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::domain::webhook::Subscription;
use crate::domain::{DialectName, Patch, WebhookId};
use crate::http::{JsonBody, Rejection};
use crate::outbound::signature;
use crate::store::{NewEndpoint, WebhookCreated};

#[derive(serde::Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read as `Members`")]
pub struct CreateWebhook {
    /// The endpoint: http or https.
    #[schema(example = "https://example.com/webhooks/sessionary")]
    url: String,
    /// Of `session.created`, `session.ended`, `session.expired` and `message.created`.
    #[schema(example = json!(["session.created", "session.ended"]))]
    events: Vec<String>,
    /// Whose sessions' events are sent; all dialects if it is absent.
    #[schema(example = json!(["messaging", "agent_key"]))]
    dialects: Option<Vec<String>>,
}

/// Create a webhook
///
/// The endpoint receives the events from now on: of sessions of all dialects unless it names some. Of a message, the body
/// has what was written; name `message.created` only if the endpoint may read it. The secret is in this response and in no other. `Idempotency-Key` is
/// ignored, because the stored response would contain the secret. An organization can have 100 webhooks.
#[utoipa::path(
    post,
    path = "/sessionary/v1/webhooks",
    request_body = CreateWebhook,
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 201, description = "The webhook, with its secret.", body = WebhookWithSecret, headers(("ETag" = String, description = "The version, for `If-Match`."))),
        (status = 409, description = "The organization has 100 webhooks."),
        (status = 422, description = "The body is not valid."),
    )
)]
#[tracing::instrument(name = "sessionary.create_webhook", level = "debug", skip_all)]
pub async fn create_webhook(
    caller: Caller<Sessionary, purpose::Manage>,
    body: JsonBody<Sessionary, Members>,
) -> Result<Response, SessionaryError> {
    let mut body = body.0;
    let url = webhook::url(&mut body);
    let url = body.required("url", url);
    let events: Patch<_> = webhook::events(&mut body);
    let events = body.required("events", events);
    let dialects = webhook::dialects(&mut body);
    let dialects = body.not_null("dialects", dialects).unwrap_or_else(|| DialectName::ALL.to_vec());
    body.finish()?;
    let (url, events) = url.zip(events).ok_or(Rejection::Internal)?;

    let secret = signature::secret(&caller.mint);
    let subscription = &Subscription::new(events, dialects);
    let new = NewEndpoint { id: WebhookId(caller.mint.uuid()), url: &url, secret: &secret, subscription };
    match caller.store.webhooks().create(&new, caller.now(), &caller.mint).await? {
        WebhookCreated::New(made) => {
            let described = WireWebhook::new(&made, caller.now());
            let body = WebhookWithSecret { described, secret: secret.expose_secret().to_owned() };
            let version = WebhookVersion::from(&*made);
            Ok(VersionedAs { status: StatusCode::CREATED, body, version }.into_response())
        }
        WebhookCreated::TooMany => Err(SessionaryError::Conflict {
            code: "too_many_webhooks",
            detail: "The organization has 100 webhooks.".to_owned(),
        }),
    }
}
