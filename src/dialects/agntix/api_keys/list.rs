//! `GET /v1/chat/api-keys`.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::api_keys::wire::ChatApiKey;
use crate::dialects::agntix::{Agntix, AgntixError, paging};
use crate::dialects::shared::cursor;
use crate::http::{QueryPairs, Reply};

/// The limit of keys in one response. The vendor documents no pages.
const MAX_KEYS: usize = 1_000;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyList {
    data: Vec<ChatApiKey>,
    /// The value of the query parameter `cursor` that continues the list. Present if there are more keys. An extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List API keys
///
/// Newest first, including revoked keys. A response has at most 1,000 keys and 4 MiB; `nextCursor` continues the list.
/// The secret keys themselves are not shown.
#[utoipa::path(
    get,
    path = "/v1/chat/api-keys",
    params(("cursor" = Option<String>, Query, description = "`nextCursor` of an earlier response.")),
    security(("api_key" = []), ("bearer" = [])),
    responses(
        (status = 200, description = "The keys.", body = ApiKeyList),
    )
)]
#[tracing::instrument(name = "agntix.list_api_keys", level = "debug", skip_all)]
pub async fn list_api_keys(
    caller: Caller<Agntix, purpose::Manage>,
    pairs: QueryPairs,
) -> Result<Reply<ApiKeyList>, AgntixError> {
    let found = caller.store.api_keys().list(paging::after(&pairs)?, MAX_KEYS).await?;
    let now = caller.now();
    let data = found.keys.into_iter().map(|key| ChatApiKey::new(key, now)).collect();
    Ok(Reply(StatusCode::OK, ApiKeyList { data, next_cursor: found.next.map(cursor::write) }))
}
