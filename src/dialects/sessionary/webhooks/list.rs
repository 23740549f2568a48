//! `GET /sessionary/v1/webhooks`.

use axum::response::Response;

use super::webhook::WireWebhook;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{ByTime, List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};

/// List webhooks
///
/// The newest come first.
#[utoipa::path(
    get,
    path = "/sessionary/v1/webhooks",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The webhooks.", body = Page<WireWebhook>))
)]
#[tracing::instrument(name = "sessionary.list_webhooks", level = "debug", skip_all)]
pub async fn list_webhooks(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    query: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&query, caller.store.org(), &[])?;
    let after = list.after::<ByTime>()?.map(|cursor| (cursor.at, cursor.id));
    let mut webhooks = caller.store.webhooks().list(after, list.limit + 1).await?;
    let more = webhooks.len() > list.limit;
    webhooks.truncate(list.limit);
    let next = webhooks.last().filter(|_| more).map(|last| ByTime { at: last.created_at, id: last.id.0 });
    Ok(list.page(webhooks.iter().map(|webhook| WireWebhook::new(webhook, caller.now())).collect(), next))
}
