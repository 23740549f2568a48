//! `GET /sessionary/v1/keys`.

use axum::response::Response;

use super::key::WireKey;
use crate::auth::{Caller, purpose};
use crate::dialects::sessionary::page::{ByTime, List, Page};
use crate::dialects::sessionary::query::RawQuery;
use crate::dialects::sessionary::{Sessionary, SessionaryError};

/// List API keys
///
/// The newest come first. Revoked and expired keys are among them.
#[utoipa::path(
    get,
    path = "/sessionary/v1/keys",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 100, by default 25."),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    security(("api_key" = []), ("bearer" = [])),
    responses((status = 200, description = "The keys.", body = Page<WireKey>))
)]
#[tracing::instrument(name = "sessionary.list_keys", level = "debug", skip_all)]
pub async fn list_keys(
    caller: Caller<Sessionary, purpose::ReadSettings>,
    query: RawQuery,
) -> Result<Response, SessionaryError> {
    let list = List::of(&query, caller.store.org(), &[])?;
    let after = list.after::<ByTime>()?.map(|cursor| (cursor.at, cursor.id));
    let page = caller.store.api_keys().list(after, list.limit).await?;
    let keys = page.keys.iter().map(|key| WireKey::new(key, caller.now())).collect();
    Ok(list.page(keys, page.next.map(|(at, id)| ByTime { at, id })))
}
