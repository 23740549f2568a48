//! `POST /sessionary/v1/deliveries/{delivery_id}/resend`.

use http::StatusCode;

use super::delivery::{self, WireDelivery};
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::{PathOf, Reply};
use crate::store::DeliveryResent;

/// Resend a delivery
///
/// Queues it again, under the same id, whatever became of it: it is attempted now, and for a day if it fails.
#[utoipa::path(
    post,
    path = "/sessionary/v1/deliveries/{delivery_id}/resend",
    params(("delivery_id" = String, Path, description = "The delivery's id, `msg_…`.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 202, description = "The delivery.", body = WireDelivery),
        (status = 409, description = "The webhook is disabled."),
    )
)]
#[tracing::instrument(name = "sessionary.resend_delivery", level = "debug", skip_all)]
pub async fn resend_delivery(
    caller: Caller<Sessionary, purpose::Manage>,
    path: PathOf<Sessionary, String>,
) -> Result<Reply<WireDelivery>, SessionaryError> {
    let id = delivery::id_of(&path.0)?;
    match caller.store.webhooks().resend(id, caller.now()).await? {
        DeliveryResent::Queued(queued) => Ok(Reply(StatusCode::ACCEPTED, (*queued).into())),
        DeliveryResent::Missing => Err(delivery::MISSING),
        DeliveryResent::WebhookDisabled => Err(SessionaryError::Conflict {
            code: "webhook_disabled",
            detail: "The webhook is disabled; enable it first.".to_owned(),
        }),
    }
}
