//! The wire type of a delivery.

use serde::Serialize;
use utoipa::ToSchema;

use crate::dialects::sessionary::SessionaryError;
use crate::dialects::sessionary::session_ref::SessionRef;
use crate::dialects::shared::time::Milliseconds;
use crate::domain::{DeliveryId, WebhookId};
use crate::store::Delivery;

/// A delivery of an event to an endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct WireDelivery {
    /// The `webhook-id` and `svix-id` of its attempts.
    #[schema(value_type = String, example = "msg_01j3m8xkqp8v2nw4f7g9hk0r00")]
    id: String,
    #[schema(value_type = uuid::Uuid)]
    webhook_id: WebhookId,
    #[schema(example = "session.created")]
    event_type: String,
    #[schema(example = "agntix_019d1f0bd80070008000000000000001")]
    session_id: Option<String>,
    /// `waiting`, `delivered` or `failed`.
    state: &'static str,
    attempts: i32,
    /// The status of the endpoint's last response.
    last_status: Option<i16>,
    /// Why the last attempt failed.
    #[schema(example = "timed_out")]
    last_error: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    queued_at: Milliseconds,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Milliseconds>,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Milliseconds>,
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<Milliseconds>,
}

impl From<Delivery> for WireDelivery {
    fn from(delivery: Delivery) -> Self {
        let state = match (delivery.delivered_at, delivery.failed_at) {
            (Some(_), _) => "delivered",
            (_, Some(_)) => "failed",
            _ => "waiting",
        };
        Self {
            id: delivery.id.to_string(),
            webhook_id: delivery.webhook,
            session_id: delivery.dialect.map(|dialect| SessionRef { dialect, id: delivery.session }.to_string()),
            event_type: delivery.event,
            state,
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            queued_at: Milliseconds(delivery.queued_at),
            next_attempt_at: delivery.next_attempt_at.map(Milliseconds),
            delivered_at: delivery.delivered_at.map(Milliseconds),
            failed_at: delivery.failed_at.map(Milliseconds),
        }
    }
}

pub(super) const MISSING: SessionaryError = SessionaryError::NotFound("delivery");

/// Returns the id that a path names.
///
/// # Errors
/// [`SessionaryError::NotFound`] if the text is no id.
pub(super) fn id_of(text: &str) -> Result<DeliveryId, SessionaryError> {
    text.parse().map_err(|_| MISSING)
}
