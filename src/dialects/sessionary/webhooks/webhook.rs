//! The wire type of a webhook.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::members::Members;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::responder::HttpUrl;
use crate::domain::{DialectName, Patch, Timestamp, WebhookEvent, WebhookId};
use crate::store::{Webhook, WebhookState};

/// An endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WireWebhook {
    #[schema(value_type = uuid::Uuid)]
    id: WebhookId,
    #[schema(example = "https://example.com/webhooks/sessionary")]
    url: String,
    #[schema(value_type = Vec<String>, example = json!(["session.created", "session.ended"]))]
    events: Vec<String>,
    /// Whose sessions' events it receives.
    #[schema(value_type = Vec<String>, example = json!(["agnost", "agntix", "agent_key", "messaging", "integer_id"]))]
    dialects: Vec<&'static str>,
    enabled: bool,
    /// `gone`: the endpoint responded with 410. `disabled`: on request.
    #[schema(value_type = Option<String>)]
    disabled_reason: Option<&'static str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Milliseconds>,
    /// Until when nothing is sent, because the endpoint asked for it with `Retry-After`.
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_until: Option<Milliseconds>,
    /// Until when deliveries are also signed with the secret before the last rotation.
    #[schema(value_type = Option<String>, format = DateTime)]
    previous_secret_until: Option<Milliseconds>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Milliseconds,
}

impl WireWebhook {
    pub(super) fn new(webhook: &Webhook, now: Timestamp) -> Self {
        let (disabled_at, disabled_reason) = match webhook.state {
            WebhookState::Enabled => (None, None),
            WebhookState::Gone(at) => (Some(at), Some("gone")),
            WebhookState::Disabled(at) => (Some(at), Some("disabled")),
        };
        let later = |time: Option<Timestamp>| time.filter(|time| *time > now).map(Milliseconds);
        Self {
            id: webhook.id,
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            dialects: names(&webhook.dialects),
            enabled: disabled_at.is_none(),
            disabled_reason,
            disabled_at: disabled_at.map(Milliseconds),
            paused_until: later(webhook.paused_until),
            previous_secret_until: later(webhook.previous_secret_until),
            created_at: Milliseconds(webhook.created_at),
        }
    }
}

/// Returns the names of the dialects with these codes. Those of a later version are left out.
fn names(dialects: &[i16]) -> Vec<&'static str> {
    dialects.iter().filter_map(|code| DialectName::from_code(*code)).map(DialectName::as_str).collect()
}

/// What is a version of a webhook: what requests change, and that it is gone.
#[derive(Serialize)]
pub struct WebhookVersion<'w> {
    id: WebhookId,
    url: &'w str,
    events: &'w [String],
    dialects: &'w [i16],
    state: WebhookState,
    previous_secret_until: Option<Timestamp>,
}

impl<'w> From<&'w Webhook> for WebhookVersion<'w> {
    fn from(webhook: &'w Webhook) -> Self {
        let Webhook { id, url, events, dialects, state, previous_secret_until, .. } = webhook;
        Self { id: *id, url, events, dialects, state: *state, previous_secret_until: *previous_secret_until }
    }
}

/// A webhook with its new secret, which is in this response and in no other.
#[derive(Serialize, ToSchema)]
pub struct WebhookWithSecret {
    #[serde(flatten)]
    pub(super) described: WireWebhook,
    /// `whsec_` and the key of the signatures in base64.
    pub(super) secret: String,
}

pub(super) const MISSING: SessionaryError = SessionaryError::NotFound("webhook");

/// Returns the id that a path names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id.
pub(super) fn id_of(text: &str) -> Result<WebhookId, SessionaryError> {
    text.parse().map_err(|_| MISSING)
}

/// Names in a list of events or dialects, some of which may be repeated.
const MAX_NAMES: usize = 16;

/// Reads the URL of an endpoint.
pub(super) fn url(body: &mut Members) -> Patch<HttpUrl> {
    let expected = "an http or https URL without user name, password and fragment, of at most 2,048 bytes";
    body.read("url", expected, |given| given.as_str()?.parse().ok())
}

/// Reads the events of an endpoint, without repetitions.
pub(super) fn events(body: &mut Members) -> Patch<Vec<WebhookEvent>> {
    listed(body, "events", &WebhookEvent::ALL)
}

/// Reads the dialects of an endpoint, without repetitions.
pub(super) fn dialects(body: &mut Members) -> Patch<Vec<DialectName>> {
    listed(body, "dialects", &DialectName::ALL)
}

/// Reads a list of one or more of these, sorted and without repetitions.
fn listed<T: Copy + Ord + FromStr + Display>(body: &mut Members, name: &str, all: &[T]) -> Patch<Vec<T>> {
    let texts = match body.texts(name, MAX_NAMES) {
        Patch::Set(texts) => texts,
        Patch::Keep => return Patch::Keep,
        Patch::Clear => return Patch::Clear,
    };
    let values: Result<Vec<T>, _> = texts.iter().map(|text| text.parse()).collect();
    match values {
        Ok(mut values) if !values.is_empty() => {
            values.sort_unstable();
            values.dedup();
            Patch::Set(values)
        }
        _ => {
            let names: Vec<String> = all.iter().map(T::to_string).collect();
            body.fault(name, format!("must have one or more of {}", names.join(", ")));
            Patch::Keep
        }
    }
}
