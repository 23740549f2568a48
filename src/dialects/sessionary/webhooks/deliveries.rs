//! `GET /sessionary/v1/webhooks/{webhook_id}/deliveries`.

use axum::response::Response;
use uuid::Uuid;

use super::delivery::WireDelivery;
use super::webhook;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};
use crate::http::PathOf;

/// List a webhook's deliveries
///
/// The newest come first. Deliveries that are over are deleted seven days after they were queued.
#[utoipa::path(
    get,
    path = "/sessionary/v1/webhooks/{webhook_id}/deliveries",
    params(
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook's id."),
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The deliveries.", body = Page<WireDelivery>))
)]
#[tracing::instrument(name = "sessionary.list_deliveries", level = "debug", skip_all)]
pub async fn list_deliveries(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    path: PathOf<Sessionary, String>,
    query: RawQuery,
) -> Result<Response, SessionaryError> {
    let id = webhook::id_of(&path.0)?;
    let list = List::of(&query, caller.store.org(), &[])?;
    let after = list.after::<Uuid>()?;
    let webhooks = caller.store.webhooks();
    webhooks.find(id).await?.ok_or(webhook::MISSING)?;
    let mut deliveries = webhooks.deliveries(id, after, list.limit + 1).await?;
    let more = deliveries.len() > list.limit;
    deliveries.truncate(list.limit);
    let next = deliveries.last().filter(|_| more).map(|last| last.id.0);
    Ok(list.page(deliveries.into_iter().map(WireDelivery::from).collect(), next))
}
