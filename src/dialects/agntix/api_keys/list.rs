//! `GET /v1/chat/api-keys`.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::{Caller, purpose};
use crate::dialects::agntix::api_keys::wire::ChatApiKey;
use crate::dialects::agntix::{Agntix, AgntixError, paging};
use crate::dialects::shared::cursor;
use crate::http::{QueryPairs, Reply};

/// Keys in one answer, at most. The vendor documents no pages.
const MAX_KEYS: usize = 1_000;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyList {
    data: Vec<ChatApiKey>,
    /// For the query parameter `cursor`, where there are more. An extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List API keys
///
/// Newest first, revoked ones too, at most 1,000 and at most 4 MiB in one response; `nextCursor` leads on. The keys
/// themselves are shown
/// nowhere.
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
    let found = caller.store.api_keys().list(paging::behind(&pairs)?, MAX_KEYS).await?;
    let now = caller.now();
    let data = found.keys.into_iter().map(|key| ChatApiKey::new(key, now)).collect();
    Ok(Reply(StatusCode::OK, ApiKeyList { data, next_cursor: found.rest.map(cursor::write) }))
}
